"""The words that people use for a class."""

from __future__ import annotations

import re


def keyword_of(name: str) -> str:
    """The words that people use for a class whose folder has this name."""
    return " ".join(re.split(r"[\s_\-]+", name)).strip().lower()
