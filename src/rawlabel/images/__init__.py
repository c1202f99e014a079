"""Pixels of every format, by position: reading, decoding, views, batches and packs."""
