"""Probes: the parts of a test image that a copy of it may show.

No hash survives a crop, so the crops are made beforehand, of the test images: a candidate has one hash, and
whether it is a crop is asked by comparing it with those of a grid of crops. How fine the grid is decides which
crops are found: each edge of a copy may lie about 3 % of the side away from the nearest probe's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import (
    SMALL_SIDE,
    Pixels,
    hashes_of_tiles,
    tiles_of_parts,
    without_borders,
)

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge, as shares of the sides."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_CENTRE = 7 / 8
"""Part of the middle square that ImageNet is evaluated on: 224 of 256 pixels."""
_HASHED_SIDE = 192
"""Shorter side [pixels] of the picture that probes are cut from; three times that of what is hashed."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A part of a test image."""

    name: str
    stage: str
    """`identity`, `trim`, `square`, `centre` or `grid`: what can be switched off together."""
    box: Box = WHOLE
    """Of `square` and `centre`, in the middle square; of `trim`, within the borders."""

    def within(self, gray: npt.NDArray[np.uint8]) -> tuple[slice, slice] | None:
        """Rows and columns of a gray picture [height, width]; None where it has no borders to trim."""
        rows, columns = slice(0, gray.shape[0]), slice(0, gray.shape[1])
        if self.stage == "trim":
            return without_borders(gray)
        if self.stage in ("square", "centre"):
            side = min(gray.shape)
            rows, columns = (slice((one - side) // 2, (one - side) // 2 + side) for one in gray.shape)
        left, top, right, bottom = self.box
        return _part(rows, top, bottom), _part(columns, left, right)


def _part(whole: slice, start: float, stop: float) -> slice:
    length = whole.stop - whole.start
    first = whole.start + round(start * length)
    return slice(first, max(first + 1, whole.start + round(stop * length)))


def _grid(step: float, most: float) -> list[Box]:
    """Boxes that leave out at each edge a multiple of `step`, and of each side at most `most`; not the whole."""
    steps = [number * step for number in range(round(most / step) + 1)]
    ends = [(one, other) for one, other in product(steps, steps) if one + other <= most + 1e-9]
    boxes = [(left, top, 1 - right, 1 - bottom) for (left, right), (top, bottom) in product(ends, ends)]
    return [box for box in boxes if box != WHOLE]


def _named(box: Sequence[float]) -> str:
    left, top, right, bottom = (f"{100 * one:g}" for one in box)
    return f"crop {left}-{right} x {top}-{bottom} %"


def _photo_probes(step: float, most: float) -> tuple[Probe, ...]:
    margin = (1 - _CENTRE) / 2
    return (
        Probe("whole", "identity"),
        Probe("without borders", "trim"),
        Probe("centre square", "square"),
        Probe("ImageNet centre crop", "centre", (margin, margin, 1 - margin, 1 - margin)),
        *(Probe(_named(box), "grid", box) for box in _grid(step, most)),
    )


COARSE = _photo_probes(0.05, 0.1)
"""39 probes, for crops that keep 90 % of each side."""
FINE = _photo_probes(0.05, 0.2)
"""228 probes, for crops that keep 80 % of each side."""
BARE = tuple(one for one in COARSE if one.stage != "grid")
"""4 probes: no crops but those that programs make."""
_MOST_FINE, _MOST_COARSE, _MOST_SMALL = 50_000_000, 1_000_000_000, 100_000_000
"""Pairs of a candidate and a test image up to which there are so many probes."""


def photo_probes(num_pairs: int) -> tuple[Probe, ...]:
    """The probes of a comparison of so many pairs: as many as take minutes, or a few hours of one core at most."""
    if num_pairs <= _MOST_FINE:
        return FINE
    return COARSE if num_pairs <= _MOST_COARSE else BARE


def probe_hashes(pixels: Pixels, probes: Sequence[Probe]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The hashes [probes, 32] of a picture's parts, and which of them there are."""
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    down = min(gray.shape) / _HASHED_SIDE
    if down > 1:
        size = (round(gray.shape[1] / down), round(gray.shape[0] / down))
        gray = np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    places = [probe.within(gray) for probe in probes]
    there = np.array([place is not None for place in places])
    hashes = np.zeros((len(probes), 32), dtype=np.uint8)
    if there.any():
        hashes[there] = hashes_of_tiles(tiles_of_parts(gray, [place for place in places if place is not None]))
    return hashes, there


def probe_part(pixels: Pixels, probe: Probe) -> Pixels:
    """What a probe shows of a picture; all of it where it has no borders to trim."""
    # Only borders are found by what is there to see.
    is_trim = probe.stage == "trim"
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8) if is_trim else pixels[..., 0]
    place = probe.within(gray)
    return pixels if place is None else np.ascontiguousarray(pixels[place])


@dataclass(frozen=True, slots=True)
class SmallProbe:
    """A part of a small test image [32, 32, 3], mirrored or not."""

    name: str
    stage: str
    """`identity`, `flip` or `grid`."""
    left: int = 0
    top: int = 0
    side: int = 32
    is_flipped: bool = False

    def of(self, thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The parts of thumbnails [images, 32, 32, 3], brought to their size."""
        parts = thumbnails[:, self.top : self.top + self.side, self.left : self.left + self.side]
        if self.is_flipped:
            parts = parts[:, :, ::-1]
        size = thumbnails.shape[1]
        if self.side == size:
            return parts
        resized = [cv2.resize(np.ascontiguousarray(one), (size, size)) for one in parts]
        return np.asarray(resized, dtype=np.uint8)


_CUT = 4
"""Pixels of 32 that a crop of a small image leaves out of each side; smaller crops are like many."""
SMALL_PROBES = (
    SmallProbe("whole", "identity"),
    SmallProbe("whole, flipped", "flip", is_flipped=True),
    *(
        SmallProbe(f"crop at {left}, {top}{', flipped' if turn else ''}", "grid", left, top, 32 - _CUT, turn)
        for left, top, turn in product((0, _CUT // 2, _CUT), (0, _CUT // 2, _CUT), (False, True))
    ),
)
"""Of images up to `SMALL_SIDE` pixels."""


def small_probes(num_pairs: int) -> tuple[SmallProbe, ...]:
    """Those of a comparison of so many pairs of small images: with crops, unless it would take an hour."""
    return SMALL_PROBES if num_pairs <= _MOST_SMALL else SMALL_PROBES[:2]


def is_small(width: int, height: int) -> bool:
    """Whether a picture is compared by its pixels, since a hash of it tells too little."""
    return min(width, height) <= SMALL_SIDE
