"""Training speed against other loops on the same work."""
