"""A collection made from a simulated site, and that site some time later on the same address."""

from tests.helpers.earlier_collection import later, later_site, same_site, then

__all__ = ["later", "later_site", "same_site", "then"]
