"""A small simulated site to collect from."""

from tests.helpers.small_site import class_file, site, small_site

__all__ = ["class_file", "site", "small_site"]
