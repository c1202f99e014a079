"""Photos on the page beyond the first few of each class, and in a folder beside it."""
