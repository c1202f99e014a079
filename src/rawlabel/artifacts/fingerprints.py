"""Which pictures of two sets are the same, or nearly so, by fingerprints alone; labels play no part.

Equal pictures have equal upright RGB pixels. Near copies differ in few bits of the perceptual hash
(`rawlabel.artifacts.image_check`). Of small images the hash tells too little, so they are compared by their pixels alone: of
167 pairs that it finds between CIFAR-10's test and training images, people call 54 copies or very similar, and it
misses 89 of the 143 that they found (ciFAIR; Barz and Denzler, 2020). So are flat pictures, whose hash is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.image_check import NEAR_COPY_BITS, perceptual_hash, pixel_digest

SMALL_SIDE = 64
"""Shorter side [pixels] up to which the perceptual hash is not relied on."""
_BITS = 256
_FEWEST_SET = 112
"""Half the bits of a hash are set, unless so many frequencies of the picture are 0 that their median is too."""
_TEST_BLOCK, _TRAIN_BLOCK = 2048, 8192
"""Hashes that are compared at once: 64 MB of products."""


class Fingerprint(NamedTuple):
    """What identifies a picture."""

    pixels: bytes
    """SHA-256 of size and upright RGB pixels, 32 bytes."""
    perceptual: bytes | None
    """The perceptual hash, 32 bytes; None where it tells too little."""


def fingerprint(pixels: npt.NDArray[np.uint8]) -> Fingerprint:
    """The fingerprint of an upright picture [height, width, 3] in RGB."""
    digest = pixel_digest(pixels)
    if min(pixels.shape[:2]) <= SMALL_SIDE:
        return Fingerprint(digest, None)
    perceptual = bytes.fromhex(perceptual_hash(pixels))
    is_flat = int.from_bytes(perceptual).bit_count() < _FEWEST_SET
    return Fingerprint(digest, None if is_flat else perceptual)


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
        nearest, apart = _nearest(hashes, other_hashes, pause)
        is_near = apart <= NEAR_COPY_BITS
        found[rows[is_near]], bits[rows[is_near]] = other_rows[nearest[is_near]], apart[is_near]
    return SamePictures(found, bits, is_equal)


def _hashes(fingerprints: Sequence[Fingerprint | None]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Which pictures have a perceptual hash, and their hashes [pictures, 32]."""
    known = [(row, one.perceptual) for row, one in enumerate(fingerprints) if one and one.perceptual is not None]
    hashes = np.frombuffer(b"".join(one for _, one in known), dtype=np.uint8).reshape(len(known), _BITS // 8)
    return np.array([row for row, _ in known], dtype=np.int64), hashes


def _nearest(
    ones: npt.NDArray[np.uint8], others: npt.NDArray[np.uint8], pause: Callable[[], None]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The nearest of `others` to each of `ones`, and the bits in which they differ.

    Of bits as signs, the scalar product is 256 less twice the bits that differ; a product of matrices is the
    fastest way to all of them.
    """
    best, nearest = np.full(len(ones), -np.inf, dtype=np.float32), np.zeros(len(ones), dtype=np.int64)
    for start in range(0, len(others), _TRAIN_BLOCK):
        signs = _signs(others[start : start + _TRAIN_BLOCK]).T
        for first in range(0, len(ones), _TEST_BLOCK):
            pause()
            products = _signs(ones[first : first + _TEST_BLOCK]) @ signs
            here = products.argmax(axis=1)
            value, rows = products[np.arange(len(here)), here], slice(first, first + len(here))
            is_better = value > best[rows]
            nearest[rows] = np.where(is_better, here + start, nearest[rows])
            best[rows] = np.maximum(value, best[rows])
    return nearest, ((_BITS - best) / 2).astype(np.int64)


def _signs(hashes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1
