"""Copies of one picture, gathered around its best representative: stars, never chains.

A chain of copies ends far from where it began: linked so, one group of a large collection took in tens of
thousands of pictures (VideoDuplicateFinder #306). In a star, each picture is a copy of the one in the middle.

Hashes propose; where more than a few bits differ, the pixels of both decide (`agreement`). What hashes and
thumbnails take for a copy and the pixels do not confirm is a doubt for a person, and no copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.agreement import agreement
from rawlabel.artifacts.copies.alignment import likeness
from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS, Pixels, trimmed
from rawlabel.artifacts.copies.hamming import Backend, SearchedHashes
from rawlabel.artifacts.copies.table import Fingerprints
from rawlabel.base.ray_cluster import Cluster
from rawlabel.errors import DataError

Read = Callable[[int], Pixels]
"""The pixels [height, width, 3] in RGB of the picture at a position; raises `DataError`."""

MOST_BITS = 80
"""Bits within which pairs are looked at."""
TRIMMED, MIRRORED = "without borders", "mirror image"
KINDS = ("near copy", TRIMMED, MIRRORED)
"""By which hashes two pictures are copies of each other."""
SURE_BITS = 32
"""Most bits that need no look at the pixels; of drawn digits, unlike ones begin at 36, of photos at 82."""
_LIKELY_BITS = 64
_LIKE, _VERY_LIKE = 0.8, 0.96
"""Likeness that copies have which differ in more than 51 bits, and in more than 64."""
_FIRST_ROWS, _MOST_ROWS, _MANY_PAIRS = 32, 2048, 1_000_000


@dataclass(frozen=True, slots=True)
class Copy:
    """One picture is a copy of another, which is better or as good."""

    of: int
    """Position of the better one, in the order that was given."""
    copy: int
    kind: str
    bits: int | None
    """In how many of 256 bits the hashes differ; None where another stage found them."""
    likeness: float
    """How well the thumbnails lie on each other, from -1 to 1; of another stage, the cosine of the features."""
    is_member: bool = True
    """Whether it belongs to the star of `of`; else it belongs to the star of a better picture."""
    is_sure: bool = True
    """Whether it is a copy; else only hashes and thumbnails say so, and a person should look."""


def stars_within(
    pictures: Fingerprints,
    read: Read,
    advance: Callable[[int], None] = lambda _: None,
    pause: Callable[[], None] = lambda: None,
    backend: Backend = "auto",
    cluster: Cluster | None = None,
) -> list[Copy]:
    """The stars of a set whose best representatives come first, as the copies of each middle, and then the doubts.

    A picture that belongs to a star is compared with no later one, of a middle's copies that belong to better
    stars the first is told, and of a picture's doubts the first: so the list, and the memory, grow with the
    pictures and not with the pairs. `advance` hears how many pictures are done, and `pause` is called now and then
    and may raise. With a `cluster`, its tasks compare the hashes, and what they find is the same.
    """
    search, is_taken, found = (
        _Search(pictures, read, backend, cluster),
        np.zeros(len(pictures), dtype=np.bool_),
        [],
    )
    doubts: dict[int, Copy] = {}
    start, rows = 0, _FIRST_ROWS
    while start < len(pictures):
        block = np.arange(start, min(start + rows, len(pictures)))
        candidates = search.candidates(block[~is_taken[block]], pause)
        last, is_told = -1, False
        for one, other, kind, bits in zip(*(column.tolist() for column in candidates), strict=True):
            is_told = is_told and one == last
            last = one
            if is_taken[one] or (is_taken[other] and is_told):
                continue
            alike = search.likeness(one, other, kind)
            if not search.may_be_copy(one, other, kind, bits, alike):
                continue
            if not search.is_confirmed(one, other, kind, bits):
                doubts.setdefault(other, Copy(one, other, KINDS[kind], bits, alike, False, is_sure=False))
                continue
            found.append(Copy(one, other, KINDS[kind], bits, alike, is_member=not is_taken[other]))
            is_told = is_told or bool(is_taken[other])
            is_taken[other] = True
        advance(min(rows, len(pictures) - start))
        start += rows
        # Where many are alike, fewer at once, so that their pairs find room.
        is_crowded = len(candidates.ones) > _MANY_PAIRS
        rows = max(_FIRST_ROWS, rows // 4) if is_crowded else min(_MOST_ROWS, 2 * rows)
    return [*found, *(one for _, one in sorted(doubts.items()) if not is_taken[one.copy])]


class _Candidates(NamedTuple):
    """Pairs whose hashes are near, by the one and then the other, each pair once."""

    ones: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    """Positions in `KINDS`."""
    bits: npt.NDArray[np.int64]


class _Search:
    """What may be a copy of what within one set."""

    def __init__(self, pictures: Fingerprints, read: Read, backend: Backend, cluster: Cluster | None) -> None:
        self._pictures, self._read = pictures, lru_cache(maxsize=4)(read)
        self._is_telling, self._is_small = pictures.is_telling, pictures.is_small
        self._bordered = np.flatnonzero(pictures.is_bordered & self._is_telling)
        self._telling = np.flatnonzero(self._is_telling)
        self._owners = np.concatenate([self._telling, self._bordered])
        hashes = np.concatenate([pictures.hash[self._telling], pictures.trimmed[self._bordered]])
        self._hashes = SearchedHashes(hashes, backend, cluster)

    def candidates(self, block: npt.NDArray[np.int64], pause: Callable[[], None]) -> _Candidates:
        """Pairs of the pictures at `block`, ascending, with those behind them."""
        block = block[self._is_telling[block]]
        if not len(block):
            return _Candidates(*(np.zeros(0, dtype=np.int64) for _ in range(4)))
        one = self._pictures
        count = len(self._telling)
        plain, bordered = (np.searchsorted(rows, block[0], "right") for rows in (self._telling, self._bordered))
        spans = [(int(plain), count), (count + int(bordered), len(self._owners))]
        framed = np.intersect1d(block, self._bordered)
        asked = (block, framed, block)
        hashes = (one.hash[block], one.trimmed[framed], one.mirrored[block])
        found = [_Candidates(*(np.zeros(0, dtype=np.int64) for _ in range(4)))]
        for number, pairs in self._hashes.near(hashes, spans, MOST_BITS, pause):
            ones, others = asked[number][pairs.ones], self._owners[pairs.others]
            kinds = np.where((pairs.others >= count) | (number == 1), 1, 0)
            kinds = np.full(len(ones), 2) if number == 2 else kinds
            is_later = others > ones
            found.append(_Candidates(*(part[is_later] for part in (ones, others, kinds, pairs.bits))))
        ones, others, kinds, bits = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((kinds, bits, others, ones))
        is_first = np.ones(len(order), dtype=np.bool_)
        is_first[1:] = (np.diff(ones[order]) != 0) | (np.diff(others[order]) != 0)
        chosen = order[is_first]
        return _Candidates(ones[chosen], others[chosen], kinds[chosen], bits[chosen])

    def likeness(self, one: int, other: int, kind: int) -> float:
        """How well the thumbnails lie on each other."""
        ours, theirs = self._pictures.thumbnail[one], self._pictures.thumbnail[other]
        return likeness(ours, np.ascontiguousarray(theirs[:, ::-1]) if KINDS[kind] == MIRRORED else theirs)

    def may_be_copy(self, one: int, other: int, kind: int, bits: int, alike: float) -> bool:
        """Whether two pictures may be copies, by their hashes, and where these leave it open by their thumbnails.

        Small pictures' hashes always do. What is found without its borders does not lie on its thumbnail.
        """
        is_small = bool(self._is_small[one] or self._is_small[other])
        if bits <= NEAR_COPY_BITS and not is_small:
            return True
        is_likely = bits <= _LIKELY_BITS and not is_small and KINDS[kind] != TRIMMED
        return alike >= (_LIKE if is_likely else _VERY_LIKE)

    def is_confirmed(self, one: int, other: int, kind: int, bits: int) -> bool:
        """Whether they are: hashes that differ in few bits need no look at the pixels, unless they are small."""
        if bits <= SURE_BITS and not (self._is_small[one] or self._is_small[other]):
            return True
        try:
            ours, theirs = self._read(one), self._read(other)
        except DataError:
            return False
        return any(agreement(*both).is_copy for both in _ways(ours, theirs, KINDS[kind]))


def _ways(one: Pixels, other: Pixels, kind: str) -> Iterator[tuple[Pixels, Pixels]]:
    """How two pictures that were found so may lie on each other."""
    if kind == MIRRORED:
        yield one, np.ascontiguousarray(other[:, ::-1])
    elif kind == TRIMMED:
        yield from ((trimmed(one), other), (one, trimmed(other)), (trimmed(one), trimmed(other)))
    else:
        yield one, other
