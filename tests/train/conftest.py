"""Small class folders whose classes a tiny network tells apart."""

from tests.helpers.tiny_training import data

__all__ = ["data"]
