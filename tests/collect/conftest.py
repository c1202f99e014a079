"""A small simulated site to collect from, and one that keeps the nodes of a cluster busy."""

from tests.helpers.held_requests import held
from tests.helpers.small_site import class_file, site, small_site

__all__ = ["class_file", "held", "site", "small_site"]
