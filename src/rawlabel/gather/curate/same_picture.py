"""Which label events are of one photo, and which photos of different sites show one picture.

One photo may be known to several sources: an index names the site where it found the photo, and Commons the photo
of Flickr that was carried over. Such names are followed from source to source, so that A known as B and B known as
C are one photo. Where nobody says so, the perceptual hash does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rawlabel.artifacts.image_check import NEAR_COPY_BITS

Row = dict[str, Any]
_HASH_DIGITS = 64


class Names:
    """Names that stand for one thing are joined; a disjoint-set forest."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        """Say that both names stand for one thing."""
        self._parents[self.of(other)] = self.of(one)

    def of(self, name: str) -> str:
        """The one name under which the thing is known here."""
        above = self._parents.setdefault(name, name)
        while above != name:
            # Halving the way up keeps the ways short.
            self._parents[name] = self._parents[above]
            name, above = self._parents[name], self._parents[self._parents[name]]
        return name


def photo_names(rows: Sequence[Row]) -> Names:
    """The names of all photos, joined where a source says that its photo is that of another."""
    names = Names()
    for row in rows:
        if row["origin"]:
            names.join(row["origin"], own_name(row))
    return names


def own_name(row: Row) -> str:
    """The photo's name as source and id, "flickr:123"; another site's copy of the same picture has another."""
    return f"{row['source']}:{row['photo_id']}"


def near_copies(rows: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """Pairs of a row and an earlier one of the same class and another site that shows nearly the same picture.

    A row that is such a copy is not compared with later ones. Photos of one site are left alone: whether a series
    of one author's is too alike is not for this to say.
    """
    by_class: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if len(row["perceptual_hash"] or "") == _HASH_DIGITS:
            by_class[row["class_id"]].append(row)
    for members in by_class.values():
        yield from _near_copies_of_class(members)


def _near_copies_of_class(rows: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    sites = np.array([_numbered(row["source"] for row in rows), _numbered(map(_home, rows))])
    if (sites == sites[:, :1]).all():
        return
    hashes = np.array([np.frombuffer(bytes.fromhex(row["perceptual_hash"]), np.uint64) for row in rows])
    keeps = np.zeros(len(rows), bool)
    for number, row in enumerate(rows):
        elsewhere = (sites[:, :number] != sites[:, number : number + 1]).any(axis=0) & keeps[:number]
        candidates = np.flatnonzero(elsewhere)
        different = np.bitwise_count(hashes[candidates] ^ hashes[number]).sum(axis=1)
        near = candidates[different <= NEAR_COPY_BITS]
        if near.size:
            yield row, rows[near[0]]
        else:
            keeps[number] = True


def _home(row: Row) -> str:
    """The site where the photo was first uploaded, as far as its source says so."""
    return str(row["origin"] or row["source"]).partition(":")[0]


def _numbered(names: Iterator[str]) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]
