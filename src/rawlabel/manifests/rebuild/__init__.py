"""Re-create a data set from its manifest, and say what has changed."""
