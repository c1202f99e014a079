"""Classes that share photos: the earliest hint at what a classifier will confuse."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence

MOST_PAIRS = 30


@dataclass(frozen=True, slots=True)
class ClassPair:
    """Two classes and the distinct pictures that were found for both."""

    first: str
    second: str
    shared: int
    same_photo: int
    """How many of them are one photo of the site; the others are several photos with the same pixels."""
    width: float
    """`shared` in percent of the pair that shares most."""
    confused: int | None
    """Test images of either class taken for the other; None when not measured."""


@dataclass(frozen=True, slots=True)
class SharedPhotos:
    """The pairs that share most, and how many pairs share anything."""

    pairs: list[ClassPair]
    num_pairs: int


def find_shared_photos(collection: CollectionEvidence, run: RunEvidence | None) -> SharedPhotos:
    """Count the pictures that pairs of classes share: the same photo, or equal pixels.

    Placeholders are left out; they would tie every class to every other.
    """
    shared: Counter[tuple[str, str]] = Counter()
    same: Counter[tuple[str, str]] = Counter()
    for photos_of in collection.counted.shared:
        for pair in combinations(sorted(photos_of), 2):
            shared[pair] += 1
            same[pair] += bool(photos_of[pair[0]] & photos_of[pair[1]])
    ranked = sorted(shared, key=lambda pair: (-shared[pair], pair))
    most = shared[ranked[0]] if ranked else 1
    pairs = [
        ClassPair(
            collection.label(pair[0]),
            collection.label(pair[1]),
            shared[pair],
            same[pair],
            100 * shared[pair] / most,
            _confused(run, *pair),
        )
        for pair in ranked[:MOST_PAIRS]
    ]
    return SharedPhotos(pairs, len(ranked))


def _confused(run: RunEvidence | None, first: str, second: str) -> int | None:
    if run is None or run.matrix is None or not {first, second} <= set(run.class_ids):
        return None
    i, j = run.class_ids.index(first), run.class_ids.index(second)
    return int(run.matrix[i, j] + run.matrix[j, i])
