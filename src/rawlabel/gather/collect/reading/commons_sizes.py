"""Sizes of the files on the image hosts of Wikimedia Commons.

The hosts keep thumbnails of a few widths, the ladder, and refuse others with 400, 404 or 429; originals are many
megabytes (https://www.mediawiki.org/wiki/Common_thumbnail_sizes, https://phabricator.wikimedia.org/T360589). Since
August 2026 thumbnails come from thumb.wikimedia.org, and addresses may have a query that says who asked for them
(https://phabricator.wikimedia.org/T427465).
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl

from rawlabel.gather.collect.reading.reply_values import web_address

LADDER = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
"""Widths of thumbnails [pixels] that the hosts keep."""
NOT_KEPT_STATUSES = frozenset({400, 404})
"""How the hosts answer for a size that they do not keep; a 429 at a width of the ladder is what it says."""
KEPT_WIDTHS = tuple(width for width in LADDER if width >= 250)
"""Those that a photo is taken at."""
_FOLDERS = "/[0-9a-f]/[0-9a-f]{2}/"
_THUMBNAIL = re.compile(
    rf"(?P<start>.*?)(?P<thumb>/thumb)?(?P<file>{_FOLDERS}[^/?#]+)/(?P<page>(?:(?:lossy|lossless|qlow|page[0-9]+|lang[a-z]+)-)*)(?P<width>[0-9]{{1,5}})px-"
    r"(?P<name>[^/?#]*)(?P<query>\?[^#]*)?"
)
_ORIGINAL = re.compile(rf"(.*/wikipedia/commons)({_FOLDERS})([^/?#]+\.(?i:jpe?g|png|gif))(\?[^#]*)?")
_THUMBNAIL_HOST = re.compile(r"https?://thumb\.wikimedia\.org(?=/)")
_HOSTS = re.compile(r"https?://(?:(?:upload|thumb)\.wikimedia\.org|[^/]+(?=/wikipedia/commons))/")


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
    whole = Size(_plain(original) if original else None, width, height, "original")
    form = _THUMBNAIL.fullmatch(thumbnail or thumbnail_address(original or "") or "")
    if form is None or not width or not height or min(width, height) < 1:
        return whole
    needed = wanted_side * max(1.0, width / height)
    fitting = next((one for one in KEPT_WIDTHS if one >= needed), width)
    address = web_address(_at_width(form, fitting))
    if fitting >= width or address is None:
        return whole
    return Size(address, fitting, max(1, round(height * fitting / width)), f"{fitting}px")


def thumbnail_address(original: str) -> str | None:
    """The address of a thumbnail of an original; None where it is no photo of Commons."""
    parts = _ORIGINAL.fullmatch(original)
    return f"{parts[1]}/thumb{parts[2]}{parts[3]}/{KEPT_WIDTHS[0]}px-{parts[3]}" if parts else None


def addresses_in_turn(address: str) -> tuple[str, ...]:
    """Where to ask for a file: where one address does not have it, the next may.

    A thumbnail off the ladder is asked for at the next width on it, and then as the original, as one is that the
    ladder's width does not exist for. Any other address stands alone.
    """
    form = _THUMBNAIL.fullmatch(address) if _HOSTS.match(address) else None
    if form is None:
        return (address,)
    width = int(form["width"])
    step = next((one for one in LADDER if one >= width), LADDER[-1])
    start = _THUMBNAIL_HOST.sub("https://upload.wikimedia.org", form["start"])
    return (address if step == width else _at_width(form, step), f"{start}{form['file']}{_kept(form['query'])}")


def _at_width(form: re.Match[str], width: int) -> str:
    parts = (form["start"], form["thumb"] or "", form["file"], "/", form["page"], f"{width}px-", form["name"])
    return "".join(parts) + _kept(form["query"])


def _plain(address: str) -> str:
    """An address without what only says who asked for it."""
    start, mark, query = address.partition("?")
    return start + _kept(mark + query) if _ORIGINAL.fullmatch(address) else address


def _kept(query: str | None) -> str:
    """The query of an address, unless all of it says who asked."""
    names = [name for name, _ in parse_qsl((query or "").removeprefix("?"), keep_blank_values=True)]
    return "" if all(name.startswith("utm_") for name in names) else query or ""
