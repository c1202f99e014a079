"""The collection of the rebuild tests."""

from tests.rebuild.conftest import then

__all__ = ["then"]
