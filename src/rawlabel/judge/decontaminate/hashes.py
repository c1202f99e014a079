"""Photos by their hashes: every candidate against every probe of some test images, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.hamming import BLOCK, OTHER_BLOCK, Hashes, distances

_AT_ONCE = 500_000
"""Pairs of a candidate and a test image among which memory has room for all to be near."""
_FAR = 999
"""Stands for the bits of a probe that there is not."""

Kinds = Sequence[tuple[Hashes, npt.NDArray[np.int64]]]
"""Kinds of hashes of the candidates (as they are, mirrored, trimmed), each with the candidate of each hash."""
Columns = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Candidates, test images, bits and probes of pairs."""


@dataclass(frozen=True, eq=False)
class Tests:
    """Some test images."""

    places: npt.NDArray[np.int64]
    """Their positions, [tests]."""
    hashes: Hashes
    """Of their probes, [tests, probes, 32]."""
    there: npt.NDArray[np.bool_]
    """Which probes there are, [tests, probes]."""

    def parts(self, num_candidates: int) -> Iterator[Tests]:
        """The same, as many at a time as memory has room for, were they near to all of so many candidates."""
        most = min(BLOCK // max(1, self.there.shape[1]), _AT_ONCE // max(1, num_candidates))
        for start in range(0, len(self.places), max(1, most)):
            rows = slice(start, start + max(1, most))
            yield Tests(self.places[rows], self.hashes[rows], self.there[rows])


@dataclass(frozen=True, eq=False)
class HashPairs:
    """Pairs of a candidate and a test image whose hashes differ in few bits, by the nearest probe of each."""

    candidates: npt.NDArray[np.int64]
    tests: npt.NDArray[np.int64]
    bits: npt.NDArray[np.int64]
    probes: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    """Which hash of the candidate it is: an index into what `near_pairs` was given."""

    def __len__(self) -> int:
        return len(self.candidates)


def near_pairs(
    candidates: Kinds, tests: Tests, most_bits: int, pause: Callable[[], None] = lambda: None
) -> HashPairs:
    """All pairs that differ in at most `most_bits` bits, by test image and then candidate, each pair once.

    `pause` is called now and then, and may raise.
    """
    found = [np.zeros((0, 5), dtype=np.int64)]
    for kind, (own, places) in enumerate(candidates):
        for start in range(0, len(own), OTHER_BLOCK):
            pause()
            rows = slice(start, start + OTHER_BLOCK)
            columns = _nearest_probes(own[rows], places[rows], tests, most_bits)
            found.append(np.column_stack([*columns, np.full(len(columns[0]), kind)]))
    return HashPairs(*_nearest_alone(np.concatenate(found)).T)


def _nearest_probes(own: Hashes, places: npt.NDArray[np.int64], tests: Tests, most_bits: int) -> Columns:
    """Of each pair that is near, the bits and the first of the nearest probes."""
    num_tests, num_probes = tests.there.shape
    apart = distances(tests.hashes.reshape(-1, tests.hashes.shape[-1]), own)
    apart[~tests.there.reshape(-1)] = _FAR
    by_probe = apart.reshape(num_tests, num_probes, len(own))
    # Of all probes at once, before anything is noted of a pair, since memory counts.
    bits = by_probe.min(axis=1)
    first = np.zeros(bits.shape, dtype=np.int64)
    for probe in range(num_probes - 1, -1, -1):
        first[by_probe[:, probe] == bits] = probe
    rows, columns = np.nonzero(bits <= most_bits)
    found = (bits[rows, columns].astype(np.int64), first[rows, columns])
    return places[columns], tests.places[rows], *found


def _nearest_alone(table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rows of candidate, test image, bits, probe and kind: of each pair the one with the fewest bits."""
    table = table[np.lexsort((table[:, 4], table[:, 3], table[:, 2], table[:, 0], table[:, 1]))]
    is_first = np.ones(len(table), dtype=np.bool_)
    is_first[1:] = (table[1:, :2] != table[:-1, :2]).any(axis=1)
    return np.asarray(table[is_first], dtype=np.int64)
