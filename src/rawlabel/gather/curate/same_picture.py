"""Which label events are of one photo, and which photos of different sites show one picture.

One photo may be known to several sources: an index names the site where it found the photo, and Commons the photo
of Flickr that was carried over. Such names are followed from source to source, so that A known as B and B known as
C are one photo. Where nobody says so, the perceptual hash does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS
from rawlabel.artifacts.decision import Decision

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


def photo_names(decisions: Sequence[Decision]) -> Names:
    """The names of all photos, joined where a source says that its photo is that of another."""
    names = Names()
    for one in decisions:
        if one.origin:
            names.join(one.origin, own_name(one))
    return names


def own_name(decision: Decision) -> str:
    """The photo's name at its own source, `source:photo id`, as `Photo.identity` has it."""
    return f"{decision.source}:{decision.photo_id}"


def near_copies(decisions: Sequence[Decision]) -> Iterator[tuple[int, Decision]]:
    """Place of each decision whose photo shows nearly the same picture as an earlier one, and that earlier one.

    The earlier one is of the same class and another site. A copy is not compared with later ones. Photos of one
    site are left alone: whether a series of one author's is too alike is not for this to say.
    """
    by_class: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(decisions):
        if len(one.perceptual_hash or "") == _HASH_DIGITS:
            by_class[one.class_id].append(place)
    for places in by_class.values():
        for number, earlier in _near_copies_of_class([decisions[place] for place in places]):
            yield places[number], decisions[places[earlier]]


def _near_copies_of_class(decisions: Sequence[Decision]) -> Iterator[tuple[int, int]]:
    sites = np.array([_numbered(one.source for one in decisions), _numbered(map(_home, decisions))])
    if (sites == sites[:, :1]).all():
        return
    hashes = np.array([np.frombuffer(bytes.fromhex(one.perceptual_hash or ""), np.uint64) for one in decisions])
    keeps = np.zeros(len(decisions), bool)
    for number in range(len(decisions)):
        elsewhere = (sites[:, :number] != sites[:, number : number + 1]).any(axis=0) & keeps[:number]
        candidates = np.flatnonzero(elsewhere)
        different = np.bitwise_count(hashes[candidates] ^ hashes[number]).sum(axis=1)
        near = candidates[different <= NEAR_COPY_BITS]
        if near.size:
            yield number, int(near[0])
        else:
            keeps[number] = True


def _home(decision: Decision) -> str:
    """The site where the photo was first uploaded, as far as its source says so."""
    return (decision.origin or decision.source).partition(":")[0]


def _numbered(names: Iterator[str]) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name, len(numbers)) for name in names]
