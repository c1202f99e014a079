"""Licenses of photos: what their addresses and names say, and which a user may ask for.

Nothing here is legal advice: a license is what the site states, read on the day of the search.
"""

from __future__ import annotations

import re
from enum import StrEnum

_PUBLIC_DOMAIN = frozenset({"zero", "cc0", "mark", "pdm", "pd", "certification", "us-gov"})
_ADDRESS = re.compile(r"creativecommons\.org/(?:licenses|publicdomain)/([a-z0-9+-]+)", re.ASCII)
_NAME = re.compile(r"^(?:cc[ -]?)?(by(?:-(?:nc|nd|sa))*|cc0|pdm|zero)\b", re.ASCII)
_FREE_WORDS = (
    "public domain",
    "no restrictions",
    "united states government work",
    "no known copyright restrictions",
)


class LicensePreset(StrEnum):
    """Sets of licenses that a user asks for by name."""

    ANY = "any"
    OPEN = "open"
    COMMERCIAL = "commercial"
    DERIVATIVES = "derivatives"
    FREE = "free"

    def allows(self, name: str, url: str) -> bool:
        """Whether a photo with this license name and address is wanted; an unknown license never is."""
        if self is LicensePreset.ANY:
            return True
        conditions = license_conditions(name, url)
        if conditions is None:
            return False
        barred = {
            LicensePreset.OPEN: frozenset[str](),
            LicensePreset.COMMERCIAL: frozenset({"nc"}),
            LicensePreset.DERIVATIVES: frozenset({"nd"}),
            LicensePreset.FREE: frozenset({"nc", "nd"}),
        }[self]
        return not conditions & barred


def license_conditions(name: str, url: str) -> frozenset[str] | None:
    """The conditions of an open license: some of `by`, `nc`, `nd`, `sa`; empty for the public domain.

    None when the license is not open or not known.
    """
    lowered = name.strip().lower()
    found = _ADDRESS.search(url.lower()) or _NAME.match(lowered)
    if found:
        code = found.group(1)
        if code in _PUBLIC_DOMAIN:
            return frozenset()
        parts = frozenset(code.split("-"))
        return parts if parts <= {"by", "nc", "nd", "sa"} else None
    return frozenset() if any(words in lowered for words in _FREE_WORDS) else None
