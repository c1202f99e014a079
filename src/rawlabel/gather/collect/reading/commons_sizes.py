"""Sizes of the files on the image host of Wikimedia Commons.

The host keeps thumbnails of a few widths and may refuse others, and originals are many megabytes
(https://www.mediawiki.org/wiki/Common_thumbnail_sizes).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rawlabel.gather.collect.reading.reply_values import web_address

KEPT_WIDTHS = (250, 330, 500, 960, 1280, 1920, 3840)
"""Widths of thumbnails [pixels]; smaller ones are left out."""
_THUMBNAIL = re.compile(r"(.*/thumb/.*/)[0-9]+px-([^/]*)")
_ORIGINAL = re.compile(r"(.*/wikipedia/commons)(/[0-9a-f]/[0-9a-f]{2}/)([^/?#]+\.(?i:jpe?g|png|gif))")


class Size(NamedTuple):
    """One size of a file."""

    address: str | None
    width: int | None
    height: int | None
    label: str


def best_size(
    original: str | None, width: int | None, height: int | None, wanted_side: int, thumbnail: str | None = None
) -> Size:
    """The smallest kept size whose shorter side reaches `wanted_side`; the original where none does.

    `width` and `height` are the original's. `thumbnail` is the address of any thumbnail, where the API gives one.
    """
    whole = Size(original, width, height, "original")
    form = _THUMBNAIL.fullmatch(thumbnail or thumbnail_address(original or "") or "")
    if form is None or not width or not height or min(width, height) < 1:
        return whole
    needed = wanted_side * max(1.0, width / height)
    fitting = next((one for one in KEPT_WIDTHS if one >= needed), width)
    address = web_address(f"{form[1]}{fitting}px-{form[2]}")
    if fitting >= width or address is None:
        return whole
    return Size(address, fitting, max(1, round(height * fitting / width)), f"{fitting}px")


def thumbnail_address(original: str) -> str | None:
    """The address of a thumbnail of an original; None where it is no photo of Commons."""
    parts = _ORIGINAL.fullmatch(original)
    return f"{parts[1]}/thumb{parts[2]}{parts[3]}/{KEPT_WIDTHS[0]}px-{parts[3]}" if parts else None
