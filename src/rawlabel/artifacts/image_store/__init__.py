"""The photos' bytes, named by their content, on this machine or at any fsspec address."""
