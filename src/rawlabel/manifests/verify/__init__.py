"""Whether the files on disk are what catalogue and manifest say."""
