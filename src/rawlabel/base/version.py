"""The version, by itself: what the package offers by name must not be needed to know it."""

from __future__ import annotations

__version__ = "0.1.0"
