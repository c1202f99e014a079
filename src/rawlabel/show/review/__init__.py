"""A local page on which a person looks at photos and says which to leave out; no label is edited."""
