"""From class names to a measured classifier in one command, on the photo sites and on the simulated one."""
