"""A random sample of each class's candidates, kept and not kept, with attribution."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from rawlabel.artifacts.decision import Decision, decisions_of
from rawlabel.base.progress import progress
from rawlabel.base.untrusted_text import plain_text
from rawlabel.records import Reason, Split, Verdict
from rawlabel.show.report.evidence import CollectionEvidence
from rawlabel.show.report.thumbnails import Thumbnails

TILE_COLUMNS = (
    *("source", "photo_id", "class_id", "keyword", "rank", "verdict", "reason", "path", "page_url", "title"),
    *("author", "license_name", "license_url"),
)
"""What a tile shows of a photo."""
_VERDICTS = (Verdict.KEPT.value, Verdict.REJECTED.value, Verdict.FAILED.value)


@dataclass(frozen=True, slots=True)
class Tile:
    """One candidate; all text fields come from the photo site and are shortened, not yet escaped."""

    verdict: str
    reason: str | None
    """Short name of the reason for which it is not kept."""
    reason_text: str | None
    """The same as a phrase."""
    picture: str | None
    """Data address, or None when there is nothing to show."""
    title: str
    author: str
    license_name: str
    license_url: str | None
    keyword: str
    result: int
    """Place among the search results, counted from 1."""
    page_url: str | None
    shows: str | None
    """What it shows, where a simulated site says so."""

    @property
    def group(self) -> str:
        """`kept`, or the verdict and the reason, as counts name it."""
        return "kept" if self.reason is None else f"{self.verdict}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ClassMontage:
    """The sample of one class: kept first, then rejected, then failed, each in random order."""

    label: str
    tiles: list[Tile]
    shown: tuple[int, ...]
    """Kept, rejected and failed candidates in the sample."""
    all: tuple[int, ...]
    """The same in the whole class."""


def make_montage(
    collection: CollectionEvidence, per_class: int, thumbnails: Thumbnails
) -> tuple[list[ClassMontage], set[int]]:
    """Draw `per_class` candidates of each class, and say which rows of the manifest they are.

    The draw depends on the manifest's fingerprint alone.
    """
    sizes: list[list[int]] = []
    shares: list[list[int]] = []
    chosen: list[int] = []
    for class_id, parts in _positions(collection).items():
        sizes.append([len(part) for part in parts])
        shares.append(share_out(per_class, sizes[-1]))
        # Python keeps the sequence of a generator seeded with a text the same in all versions.
        draw = random.Random(f"{collection.manifest.fingerprint}:{class_id}")
        for part, count in zip(parts, shares[-1], strict=True):
            chosen += draw.sample(part.tolist(), count)
    rows = decisions_of(collection.rows.take(np.array(chosen, np.int64), TILE_COLUMNS))
    montages = []
    with progress("making thumbnails", len(chosen)) as task:
        for class_id, size, share in zip(collection.manifest.class_ids, sizes, shares, strict=True):
            tiles = []
            for row in islice(rows, sum(share)):
                tiles.append(make_tile(row, collection, thumbnails))
                task.advance()
            montages.append(ClassMontage(collection.label(class_id), tiles, tuple(share), tuple(size)))
    return montages, set(chosen)


def _positions(collection: CollectionEvidence) -> dict[str, list[NDArray[np.int64]]]:
    """Rows of the manifest's table by class and verdict (kept, rejected, failed)."""
    class_ids = collection.manifest.class_ids
    keys = collection.codes("class_id", class_ids) * len(_VERDICTS) + collection.codes("verdict", _VERDICTS)
    # Sorted once: looking for each class among all rows takes a minute with a thousand of them.
    order = np.argsort(keys, kind="stable")
    ends = np.searchsorted(keys[order], np.arange(len(class_ids) * len(_VERDICTS) + 1))
    parts = [order[start:end] for start, end in pairwise(ends)]
    return {class_id: parts[i * len(_VERDICTS) : (i + 1) * len(_VERDICTS)] for i, class_id in enumerate(class_ids)}


def draw_training_photos(
    collection: CollectionEvidence, class_ids: Collection[str], count: int
) -> dict[str, list[Decision]]:
    """A random sample of the kept photos of each class on which training looked."""
    known = [class_id for class_id in collection.manifest.class_ids if class_id in class_ids]
    classes, is_train = collection.codes("class_id", known), collection.codes("split", [Split.TRAIN.value]) == 0
    chosen: list[int] = []
    for i, class_id in enumerate(known):
        rows = np.flatnonzero((classes == i) & is_train).tolist()
        draw = random.Random(f"{collection.manifest.fingerprint}:training:{class_id}")
        chosen += draw.sample(rows, min(count, len(rows)))
    drawn: dict[str, list[Decision]] = {class_id: [] for class_id in class_ids}
    for one in decisions_of(collection.rows.take(np.array(chosen, np.int64), TILE_COLUMNS)):
        drawn[one.class_id].append(one)
    return drawn


def share_out(wanted: int, sizes: Sequence[int]) -> list[int]:
    """Share `wanted` tiles among kept, rejected and failed candidates (`sizes`).

    In proportion, but at least a quarter for rejected and an eighth for failed ones, where there are as many:
    a class that kept nearly all should still show what it lost.
    """
    wanted = min(wanted, sum(sizes))
    least = (min(1, wanted), wanted // 4, wanted // 8)
    shares = [min(size, one) for size, one in zip(sizes, least, strict=True)]
    while sum(shares) < wanted:
        open_ones = [i for i, size in enumerate(sizes) if shares[i] < size]
        ideal = [wanted * size / sum(sizes) for size in sizes]
        neediest = max(open_ones, key=lambda i: (ideal[i] - shares[i], -i))
        shares[neediest] += 1
    return shares


def make_tile(one: Decision, collection: CollectionEvidence, thumbnails: Thumbnails) -> Tile:
    """What the page shows of one candidate. Raises `DataError` when a remote store does not hand it out."""
    picture = None
    # A picture that curation found too large to decode is not decoded here either.
    if one.path and one.reason is not Reason.TOO_LARGE:
        picture = thumbnails.stored(collection.photos, one.path)
    return Tile(
        one.verdict.value,
        None if one.is_kept else (one.reason or "no reason").replace("_", " "),
        None if one.is_kept else one.reason.describe() if one.reason else "no reason noted",
        picture,
        plain_text(one.title),
        plain_text(one.author),
        plain_text(one.license_name),
        collection.web(one.license_url),
        plain_text(one.keyword),
        one.rank + 1,
        collection.web(one.page_url),
        collection.shows(one.photo_id),
    )
