"""The collection of the rebuild tests."""

from tests.helpers.earlier_collection import then

__all__ = ["then"]
