"""Ask the photo sites again, and leave out what was taken down."""
