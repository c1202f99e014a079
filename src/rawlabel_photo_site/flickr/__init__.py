"""The site in the dialect of Flickr."""
