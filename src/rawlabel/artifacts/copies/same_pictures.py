"""For each picture of one set, one of another that is equal or a near copy.

Of small images the hash tells too little, so they are compared by their pixels alone: of 167 pairs that it finds
between CIFAR-10's test and training images, people call 54 copies or very similar, and it misses 89 of the 143
that they found (ciFAIR; Barz and Denzler, 2020). So are flat pictures, whose hash is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import BITS, NEAR_COPY_BITS, Fingerprint
from rawlabel.artifacts.copies.hamming import nearest


@dataclass(frozen=True, eq=False)
class SamePictures:
    """For each picture of one set, one of the other that is the same."""

    found: npt.NDArray[np.int64]
    """Its position; -1 for none."""
    bits: npt.NDArray[np.int64]
    """In how many of 256 bits their perceptual hashes differ; 0 for equal pixels."""
    is_equal: npt.NDArray[np.bool_]
    """Whether the pixels are equal."""


def same_pictures(
    ones: Sequence[Fingerprint | None],
    others: Sequence[Fingerprint | None],
    pause: Callable[[], None] = lambda: None,
) -> SamePictures:
    """The picture of `others` that each of `ones` is equal to, else the nearest that it is a near copy of.

    None stands for a picture that could not be read. `pause` is called now and then, and may raise.
    """
    places: dict[bytes, int] = {}
    for place, other in enumerate(others):
        if other is not None:
            places.setdefault(other.pixels, place)
    found = np.array([-1 if one is None else places.get(one.pixels, -1) for one in ones], dtype=np.int64)
    is_equal, bits = found >= 0, np.zeros(len(ones), dtype=np.int64)
    unlike = [None if is_same else one for one, is_same in zip(ones, is_equal.tolist(), strict=True)]
    rows, hashes = _hashes(unlike)
    other_rows, other_hashes = _hashes(others)
    if len(rows) and len(other_rows):
        closest, apart = nearest(hashes, other_hashes, pause)
        is_near = apart <= NEAR_COPY_BITS
        found[rows[is_near]], bits[rows[is_near]] = other_rows[closest[is_near]], apart[is_near]
    return SamePictures(found, bits, is_equal)


def _hashes(fingerprints: Sequence[Fingerprint | None]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Which pictures have a perceptual hash, and their hashes [pictures, 32]."""
    known = [(row, one.perceptual) for row, one in enumerate(fingerprints) if one and one.perceptual is not None]
    hashes = np.frombuffer(b"".join(one for _, one in known), dtype=np.uint8).reshape(len(known), BITS // 8)
    return np.array([row for row, _ in known], dtype=np.int64), hashes
