"""One file a verb: its group, place and one-line summary as literal constants, and what it does as `COMMAND`."""
