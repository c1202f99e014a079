"""The site in the dialect of Openverse."""
