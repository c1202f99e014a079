"""The site in the dialect of iNaturalist."""
