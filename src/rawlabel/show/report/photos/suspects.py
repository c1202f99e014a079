"""The photos whose raw labels the evidence about labels doubts most, in the order of the doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rawlabel.artifacts.evidence.label_weights import LabelWeights, read_label_weights
from rawlabel.artifacts.review.suspicion import SUSPICION
from rawlabel.errors import DataError
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence
from rawlabel.show.report.photos.looked_up import KnownPhoto, look_up
from rawlabel.show.report.thumbnails import Thumbnails

MOST_SUSPECTS = 100
MOST_OF_A_PAIR = 4
"""Photos that carry one class's label and look like another's, of each pair of classes."""
_NAMES = ["label", "preferred_class"]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A photo that looks more like another class than like its raw label."""

    photo: KnownPhoto
    label: str
    preferred: str
    counted: float | None
    """What its raw label counted in training [0 to 1]; None where labels were not weighed."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """The most doubted photos, and counts of all that are doubted."""

    photos: list[Suspect]
    of_pairs: Mapping[tuple[str, str], list[Suspect]]
    """By true and wrong class (ids): photos with the wrong class's label that look like the true class."""
    doubted: int
    looked_at: int
    """Label events that the evidence speaks of."""
    pairs: Mapping[tuple[str, str], int]
    """Doubted photos by raw label and preferred class (ids)."""
    by_label: Mapping[str, int]
    """All photos that the evidence speaks of, by raw label."""
    weights: LabelWeights | None
    """What labels counted in training; None where they were not weighed."""


def find_suspects(collection: CollectionEvidence, run: RunEvidence, thumbnails: Thumbnails) -> Suspects | None:
    """Read `suspicion.parquet` of the run; None where there is none. Raises `DataError` when it is damaged."""
    path = run.path / SUSPICION
    if not path.is_file():
        return None
    try:
        # Each text once, and numbers in the rows, of which there may be a million.
        table = pq.read_table(path, columns=_NAMES, read_dictionary=_NAMES)
        photos = pq.ParquetFile(path, memory_map=True)
        classes: list[str] = sorted(
            {*table["label"].unique().to_pylist(), *table["preferred_class"].unique().to_pylist()}
        )
        label, preferred = (_codes(table[name], classes) for name in _NAMES)
        doubted = np.flatnonzero(label != preferred)
        keys = label[doubted] * len(classes) + preferred[doubted]
        wanted = _wanted(keys)
        names = _photos(photos, doubted[wanted])
    except (OSError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{path}: is not a table of doubts; run `rawlabel labels {run.path}` again") from error
    known = look_up(collection, names, thumbnails)
    weights = read_label_weights(run.path, names)
    counted = weights.of if weights else {}
    first: list[Suspect] = []
    of_pairs: dict[tuple[str, str], list[Suspect]] = {}
    for position, name in zip(wanted.tolist(), names, strict=True):
        given, like = (classes[code] for code in divmod(int(keys[position]), len(classes)))
        photo = known.get(name)
        if photo is None:  # trained on other data than this collection's
            continue
        one = Suspect(photo, collection.label(given), collection.label(like), counted.get(name, (None,))[0])
        if position < MOST_SUSPECTS:
            first.append(one)
        if len(group := of_pairs.setdefault((like, given), [])) < MOST_OF_A_PAIR:
            group.append(one)
    pairs = {
        (classes[key // len(classes)], classes[key % len(classes)]): count
        for key, count in zip(*(one.tolist() for one in np.unique(keys, return_counts=True)), strict=True)
    }
    counts = np.bincount(label, minlength=len(classes)).tolist()
    by_label = {name: count for name, count in zip(classes, counts, strict=True) if count}
    return Suspects(first, of_pairs, len(doubted), table.num_rows, pairs, by_label, weights)


def _codes(column: pa.ChunkedArray, values: list[str]) -> NDArray[np.int64]:
    whole = column.unify_dictionaries().combine_chunks()
    places = pc.index_in(whole.dictionary, value_set=pa.array(values, pa.string()))
    codes: NDArray[np.int64] = places.to_numpy().astype(np.int64)[whole.indices.to_numpy()]
    return codes


def _wanted(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the first doubted rows, and of the first of each pair of classes, as long as there are few."""
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    turn = np.empty(len(keys), np.int64)
    turn[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(starts, append=len(keys)))
    places = np.arange(len(keys))
    return places[(places < MOST_SUSPECTS) | (turn < MOST_OF_A_PAIR)][: 4 * MOST_SUSPECTS]


def _photos(file: pq.ParquetFile, rows: NDArray[np.int64]) -> list[str]:
    """Names of the photos in some rows, which ascend."""
    names: list[str] = []
    start = 0
    for batch in file.iter_batches(columns=["photo"]):
        first, end = np.searchsorted(rows, (start, start + batch.num_rows))
        names += batch["photo"].take(pa.array(rows[first:end] - start)).to_pylist()
        start += batch.num_rows
    return names
