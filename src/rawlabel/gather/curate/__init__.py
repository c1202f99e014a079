"""From the catalogue to a manifest: each label event kept, rejected or failed, for a reason."""
