"""The only place that opens a test set or a truth file; its numbers are for people and for the oracle."""
