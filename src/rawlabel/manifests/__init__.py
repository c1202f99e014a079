"""What is done with a manifest: checked, rebuilt, pruned, compared, made noisy, exported."""
