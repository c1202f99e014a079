"""What opens a test set, and what speaks about labels without one."""
