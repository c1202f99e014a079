"""The pictures that the site holds: digits, drawings, photos of a folder."""
