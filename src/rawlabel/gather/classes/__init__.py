"""Class lists: what to learn, and which keywords to search for each class."""
