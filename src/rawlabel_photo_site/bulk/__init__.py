"""A million photos for measurements of scale."""
