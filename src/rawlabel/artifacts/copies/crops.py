"""The second stage: crops and edits that no hash survives, where features of the photos are kept.

Neighbours in the features of an encoder are proposals and nothing more: photos of one kind are neighbours too. A
pair is a copy if many keypoints of both agree on where one, or its mirror image, lies in the other (`placement`),
and the pixels, laid over each other there, agree in their details (`agreement`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.agreement import agreement
from rawlabel.artifacts.copies.fingerprint import Pixels
from rawlabel.artifacts.copies.kept_vectors import KeptVectors
from rawlabel.artifacts.copies.placement import Keypoints, keypoints, placement
from rawlabel.artifacts.copies.stars import Copy, Read
from rawlabel.errors import DataError

CROP = "crop or edit"
NEIGHBOURS = 3
"""Nearest pictures of each that are looked at."""
LEAST_COSINE = 0.5
"""Of the features of two pictures, from which they are looked at."""
_BLOCK = 2048
_REMEMBERED = 2000
"""Pictures whose keypoints (0.2 MB each at most) are remembered."""


def crops_among(
    vectors: KeptVectors,
    is_open: npt.NDArray[np.bool_],
    read: Read,
    advance: Callable[[int], None] = lambda _: None,
    pause: Callable[[], None] = lambda: None,
) -> list[Copy]:
    """Copies among the pictures at which `is_open` says so, the best first, as stars, and then the doubts.

    Memory grows with the pictures: each has few neighbours, and one doubt at most. `advance` hears how many
    pictures are done, and `pause` is called now and then and may raise.
    """
    rows = np.flatnonzero(is_open & vectors.known)
    search, taken, found = _Looked(read), set[int](), list[Copy]()
    doubts: dict[int, Copy] = {}
    proposed = _proposed(vectors, rows, pause)
    for place in range(len(vectors)):
        for other, cosine in sorted(proposed.get(place, {}).items()):
            pause()
            if place in taken or other in taken:
                continue
            is_copy = search.is_copy(place, other)
            if is_copy is None:
                continue
            one = Copy(place, other, CROP, None, cosine, is_member=is_copy, is_sure=is_copy)
            if is_copy:
                found.append(one)
                taken.add(other)
            else:
                doubts.setdefault(other, one)
        advance(1)
    return [*found, *(one for _, one in sorted(doubts.items()) if not taken & {one.of, one.copy})]


def _proposed(
    vectors: KeptVectors, rows: npt.NDArray[np.int64], pause: Callable[[], None]
) -> dict[int, dict[int, float]]:
    """By picture, those behind it of which one is among the nearest of the other, with the cosine."""
    found: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for start in range(0, len(rows), _BLOCK):
        asked = rows[start : start + _BLOCK]
        for row, near, cosines in zip(asked.tolist(), *_nearest(vectors, asked, rows, pause), strict=True):
            for other, cosine in zip(near.tolist(), cosines.tolist(), strict=True):
                if cosine >= LEAST_COSINE:
                    found[min(row, other)][max(row, other)] = cosine
    return found


def _nearest(
    vectors: KeptVectors, asked: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], pause: Callable[[], None]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The nearest of `rows` to each of `asked`, itself apart, [asked, neighbours], and their cosines."""
    ours = vectors.block(asked)
    places = np.zeros((len(asked), NEIGHBOURS), dtype=np.int64)
    cosines = np.full((len(asked), NEIGHBOURS), -1, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        pause()
        others = rows[start : start + _BLOCK]
        products = ours @ vectors.block(others).T
        products[asked[:, None] == others[None]] = -1
        both = np.concatenate([cosines, products], axis=1)
        owners = np.concatenate([places, np.broadcast_to(others, products.shape)], axis=1)
        # A stable order, so that of equal ones the first stays, however they are cut into blocks.
        order = np.argsort(-both, axis=1, kind="stable")[:, :NEIGHBOURS]
        cosines, places = np.take_along_axis(both, order, 1), np.take_along_axis(owners, order, 1)
    return places, cosines


class _Looked:
    """Pictures that were looked at."""

    def __init__(self, read: Read) -> None:
        self._read = lru_cache(maxsize=4)(read)
        self._keypoints = lru_cache(maxsize=_REMEMBERED)(self._made)
        self._mirrored = lru_cache(maxsize=4)(self._of_mirror_image)

    def is_copy(self, one: int, other: int) -> bool | None:
        """Whether one is a part of the other; None where nothing speaks for it."""
        try:
            theirs = self._keypoints(other)
            for is_mirrored in (False, True):
                where = placement(theirs, self._mirrored(one) if is_mirrored else self._keypoints(one))
                if where is not None:
                    shown = _mirror_image(self._read(one)) if is_mirrored else self._read(one)
                    return agreement(self._read(other), shown, where).is_copy
        except DataError:
            pass
        return None

    def _of_mirror_image(self, place: int) -> Keypoints:
        return keypoints(_mirror_image(self._read(place)))

    def _made(self, place: int) -> Keypoints:
        return keypoints(self._read(place))


def _mirror_image(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


def open_places(count: int, copies: list[Copy]) -> npt.NDArray[np.bool_]:
    """Which of so many pictures are copies of no better one."""
    is_open = np.ones(count, dtype=np.bool_)
    is_open[[one.copy for one in copies if one.is_member]] = False
    return is_open
