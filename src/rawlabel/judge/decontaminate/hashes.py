"""Photos by their hashes: every candidate against every probe of every test image, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.hamming import pairs_between


@dataclass(frozen=True, eq=False)
class HashPairs:
    """Pairs of a candidate and a test image whose hashes differ in few bits, by the nearest probe of each."""

    candidates: npt.NDArray[np.int64]
    tests: npt.NDArray[np.int64]
    bits: npt.NDArray[np.int64]
    probes: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    """Which hash of the candidate it is: an index into what `near_pairs` was given."""


def near_pairs(
    candidates: Sequence[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]],
    tests: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]],
    most_bits: int,
    pause: Callable[[], None] = lambda: None,
) -> HashPairs:
    """All pairs that differ in at most `most_bits` bits.

    `candidates` are kinds of hashes [hashes, 32] (as they are, mirrored, trimmed), with the candidate of each.
    `tests` come some at a time: positions [tests], hashes of their probes [tests, probes, 32], which there are.
    `pause` is called now and then, and may raise.
    """
    found = [np.zeros((0, 5), dtype=np.int64)]
    for positions, hashes, there in tests:
        rows, probes = np.nonzero(there)
        for kind, (own, places) in enumerate(candidates):
            for near in pairs_between(hashes[rows, probes], own, most_bits, pause):
                columns = (places[near.others], positions[rows[near.ones]], near.bits, probes[near.ones])
                # Of a pair that several probes find, the nearest stays, at once, since memory counts.
                found.append(_nearest_alone(np.column_stack([*columns, np.full(len(near.ones), kind)])))
    return HashPairs(*_nearest_alone(np.concatenate(found)).T)


def _nearest_alone(table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows of candidate, test image, bits, probe and kind: of each pair the one with the fewest bits."""
    table = table[np.lexsort((table[:, 4], table[:, 3], table[:, 2], table[:, 1], table[:, 0]))]
    is_first = np.ones(len(table), dtype=np.bool_)
    is_first[1:] = (table[1:, :2] != table[:-1, :2]).any(axis=1)
    return np.asarray(table[is_first], dtype=np.int64)
