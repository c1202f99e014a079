"""The licences of the photos, by the ids that Flickr gives them (flickr.photos.licenses.getInfo)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CC = "https://creativecommons.org/"
LICENSES: tuple[tuple[str, str], ...] = (
    ("All Rights Reserved", "https://www.flickrhelp.com/hc/en-us/articles/10710266545556"),
    ("CC BY-NC-SA 2.0", f"{_CC}licenses/by-nc-sa/2.0/"),
    ("CC BY-NC 2.0", f"{_CC}licenses/by-nc/2.0/"),
    ("CC BY-NC-ND 2.0", f"{_CC}licenses/by-nc-nd/2.0/"),
    ("CC BY 2.0", f"{_CC}licenses/by/2.0/"),
    ("CC BY-SA 2.0", f"{_CC}licenses/by-sa/2.0/"),
    ("CC BY-ND 2.0", f"{_CC}licenses/by-nd/2.0/"),
    ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    ("United States Government Work", "http://www.usa.gov/copyright.shtml"),
    ("Public Domain Dedication (CC0)", f"{_CC}publicdomain/zero/1.0/"),
    ("Public Domain Mark", f"{_CC}publicdomain/mark/1.0/"),
    ("CC BY 4.0", f"{_CC}licenses/by/4.0/"),
    ("CC BY-SA 4.0", f"{_CC}licenses/by-sa/4.0/"),
    ("CC BY-ND 4.0", f"{_CC}licenses/by-nd/4.0/"),
    ("CC BY-NC 4.0", f"{_CC}licenses/by-nc/4.0/"),
    ("CC BY-NC-SA 4.0", f"{_CC}licenses/by-nc-sa/4.0/"),
    ("CC BY-NC-ND 4.0", f"{_CC}licenses/by-nc-nd/4.0/"),
)
"""Name and address of each licence; the position is its id."""

FREE = frozenset({4, 5, 7, 8, 9, 10, 11, 12})
"""Licences that allow any use, changes and commerce included; Wikimedia Commons takes no others."""


@dataclass(frozen=True, slots=True)
class CreativeCommons:
    """What a licence address of Creative Commons says."""

    slug: str
    """Such as `by-nc-sa`; `cc0` and `pdm` for the two that are no licences."""
    version: str

    @property
    def name(self) -> str:
        """The short name, such as `CC BY-NC-SA 2.0`."""
        names = {"cc0": "CC0", "pdm": "Public Domain Mark"}
        return f"{names.get(self.slug, f'CC {self.slug.upper()}')} {self.version}"


def creative_commons(license_id: int) -> CreativeCommons | None:
    """The Creative Commons licence with this id; None if it is another one."""
    parts = re.fullmatch(r"https://creativecommons.org/\w+/([a-z-]+)/([0-9.]+)/", LICENSES[license_id][1])
    if parts is None:
        return None
    return CreativeCommons({"zero": "cc0", "mark": "pdm"}.get(parts[1], parts[1]), parts[2])
