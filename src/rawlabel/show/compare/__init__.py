"""Several runs beside each other, on the same test photos."""
