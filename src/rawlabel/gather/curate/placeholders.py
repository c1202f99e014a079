"""Which pictures say 'photo unavailable' in place of a photo, by what is known of the photos that they came for.

No list of such pictures is needed. One of these tells them from copies of a photo, which are worth keeping once:

- it came for photos of many known authors (whose authors nobody knows may all be one person's copies);
- it came for several photos whose addresses lead on, under different names, to one and the same file;
- it came for several photos and has the shape that the site states for none of them;
- an address led on to it, and its file is called so, or has not the shape that the site states;
- it came for photos of two known authors, and has one color nearly all over;
- it came, in the same bytes, for photos of two known authors under two classes, and an address led on to it or it
  has not the shape that the site states.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from rawlabel.artifacts.decision import Decision
from rawlabel.gather.curate.same_picture import Names, own_name

Sizes = Mapping[str, tuple[int | None, int | None]]
"""Width and height that the site states, by the photo's name at its source (`own_name`)."""

_NEARLY_UNIFORM = 0.85
_SAME_SHAPE = 1.1
"""Ratio of two aspect ratios up to which they are taken for one, rounding and trimming considered."""
_CALLED_SO = re.compile(
    r"unavailable|not[-_ ]?(available|found)|no[-_ ]?(image|photo|picture)|placeholder|removed|missing|deleted",
    re.IGNORECASE,
)


def is_placeholder(
    group: Sequence[Decision], copies: int, names: Names, sizes: Sizes, uniform_share: float = 0.0
) -> bool:
    """Whether the picture of these rows, whose pixels are equal, is no photo; `copies` are many known authors.

    `uniform_share` is the share of it that has one color [0 to 1].
    """
    # One photo that several sources know has an author's name at each of them.
    photos = list({names.of(own_name(row)): row for row in reversed(group)}.values())
    authors = {(row.source, row.author_id) for row in photos if row.author_id}
    if len(authors) >= copies or (len(authors) > 1 and uniform_share >= _NEARLY_UNIFORM):
        return True
    led_on = [row for row in photos if _is_led_elsewhere(row)]
    misshapen = [row for row in photos if _has_other_shape(row, *sizes.get(own_name(row), (None, None)))]
    for target in {row.final_url for row in led_on}:
        if len({_stem(row.url) for row in led_on if row.final_url == target}) > 1:
            return True
    if len(misshapen) > 1 and len(misshapen) == len(photos):
        return True
    is_in_two_classes = len(authors) > 1 and len({row.class_id for row in group}) > 1
    if is_in_two_classes and len({row.sha256 for row in photos}) == 1 and (led_on or misshapen):
        return True
    return any(row in misshapen or _CALLED_SO.search(_stem(row.final_url)) for row in led_on)


def _is_led_elsewhere(row: Decision) -> bool:
    """Whether the photo's address led on to a file that is neither called so nor after the photo."""
    if not row.url or not row.final_url:
        return False
    stem = _stem(row.final_url)
    return bool(stem) and stem != _stem(row.url) and str(row.photo_id) not in row.final_url


def _stem(url: str | None) -> str:
    """The file's name in an address, without its extension."""
    try:
        return PurePosixPath(urlsplit(url or "").path).stem.lower()
    except ValueError:
        return ""


def _has_other_shape(row: Decision, width: int | None, height: int | None) -> bool:
    """Whether the picture has neither the stated shape nor that turned by a quarter."""
    if not (width and height and row.width and row.height):
        return False
    stated, found = math.log(width / height), math.log(row.width / row.height)
    return min(abs(stated - found), abs(stated + found)) > math.log(_SAME_SHAPE)
