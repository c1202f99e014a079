"""A run as one network from pixels to logits, and the proof that what was written answers as the run does."""
