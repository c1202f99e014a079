"""Whether two thumbnails show one picture, by their pixels: correlation after a search of small scales and shifts.

A copy that was trimmed, captioned or turned by a degree or two does not lie on its original any more, and so
correlates poorly with it. So the middle of one is looked for in the other, at several sizes.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import THUMBNAIL_SIDE, Pixels

_WINDOW = 24
"""Side of the middle that is looked for [pixels of the thumbnail]: an eighth is left out on each side."""
_SCALES = (24, 23, 25, 22, 26, 27, 21, 28)
"""Sides at which it is looked for; 24 is that at which it was cut."""
_FLAT = 2.0
"""Standard deviation [gray levels] below which there is nothing to compare."""


def likeness(one: Pixels, other: Pixels) -> float:
    """How well two thumbnails [32, 32, 3] lie on each other, from -1 to 1 (equal up to brightness and contrast).

    The larger of both ways round; 0 where either is flat.
    """
    return max(_found_in(one, other), _found_in(other, one))


def _found_in(one: Pixels, other: Pixels) -> float:
    """The largest zero-mean normalised correlation of one's middle with a place in the other."""
    edge = (THUMBNAIL_SIDE - _WINDOW) // 2
    middle = one[edge:-edge, edge:-edge]
    if min(_contrast(middle), _contrast(other)) < _FLAT:
        return 0.0
    best = -1.0
    for side in _SCALES:
        size = (side, side)
        template = middle if side == _WINDOW else cv2.resize(middle, size, interpolation=cv2.INTER_LINEAR)
        scores = np.asarray(cv2.matchTemplate(other, template, cv2.TM_CCOEFF_NORMED))
        best = max(best, float(np.nanmax(np.where(np.isfinite(scores), scores, -1.0))))
    return min(best, 1.0)


def _contrast(pixels: npt.NDArray[np.uint8]) -> float:
    return float(pixels.std(axis=(0, 1)).max())
