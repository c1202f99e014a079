"""The paper's figures, and ours in their style; needs no torch."""
