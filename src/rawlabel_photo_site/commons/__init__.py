"""The site in the dialect of Wikimedia Commons."""
