"""All pairs of hashes that differ in few bits: exactly, and in blocks, so that memory does not grow with them.

Bits that differ are counted by words of 64, which takes less time than a product of matrices of signs.
`faiss` (the extra `rawlabel[faiss]`) is quicker still, finds the same pairs, and is used above `FAISS_FROM`
hashes where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import BITS
from rawlabel.base.ray_cluster import Cluster, Shared
from rawlabel.errors import ConfigError

FAISS_FROM = 100_000
"""Hashes on the larger side from which `auto` takes faiss."""
BLOCK, OTHER_BLOCK = 2048, 8192
"""Hashes that are compared at once: 32 MB of distances."""
TASK_HASHES = 65_536
"""Hashes of a set that one task of a cluster looks among."""
_WORDS, _ROWS = 4, 16
"""Words of a hash, and hashes whose words stay in the processor's cache while they are compared."""

Hashes = npt.NDArray[np.uint8]
"""[hashes, 32], the bits of a hash packed in a row."""
Backend = Literal["auto", "numpy", "faiss"]


class Pairs(NamedTuple):
    """Some pairs of two sets, in the order of the rows."""

    ones: npt.NDArray[np.int64]
    """Rows of the one set."""
    others: npt.NDArray[np.int64]
    """Rows of the other."""
    bits: npt.NDArray[np.int64]
    """In how many bits they differ."""


def pairs_between(
    ones: Hashes,
    others: Hashes,
    most_bits: int,
    pause: Callable[[], None] = lambda: None,
    backend: Backend = "auto",
) -> Iterator[Pairs]:
    """Every pair of `ones` and `others` that differs in at most `most_bits`, some thousands of `ones` at a time.

    `pause` is called before each block and may raise. Raises `ConfigError` where faiss is asked for and absent.
    """
    search = _of_faiss if _takes_faiss(max(len(ones), len(others)), backend) else _of_counts
    yield from search(ones, others, most_bits, pause)


def pairs_within(
    hashes: Hashes, most_bits: int, pause: Callable[[], None] = lambda: None, backend: Backend = "auto"
) -> Iterator[Pairs]:
    """Every pair of one set, once, the earlier row first, that differs in at most `most_bits`."""
    for start in range(0, len(hashes), BLOCK):
        # Rows before this block have met it already.
        for found in pairs_between(hashes[start : start + BLOCK], hashes[start:], most_bits, pause, backend):
            is_later = found.others > found.ones
            yield Pairs(found.ones[is_later] + start, found.others[is_later] + start, found.bits[is_later])


class SearchedHashes:
    """Hashes of a set, among which near ones are looked for: here, or by the tasks of a cluster."""

    def __init__(self, hashes: Hashes, backend: Backend = "auto", cluster: Cluster | None = None) -> None:
        self._hashes, self._backend, self._cluster = Shared(hashes), backend, cluster

    def near(
        self,
        asked: Sequence[Hashes],
        spans: Sequence[tuple[int, int]],
        most_bits: int,
        pause: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Pairs]]:
        """The pairs of each array of `asked`, whose number comes with them, and the hashes at `spans` of rows.

        `pause` is called now and then and may raise. Raises what `pairs_between` raises.
        """
        if self._cluster is None:
            whole = self._hashes.value
            for number, ones in enumerate(asked):
                for start, stop in spans:
                    for found in pairs_between(ones, whole[start:stop], most_bits, pause, self._backend):
                        yield number, Pairs(found.ones, found.others + start, found.bits)
            return
        parts = [
            (start, min(start + TASK_HASHES, stop))
            for first, stop in spans
            for start in range(first, stop, TASK_HASHES)
        ]
        numbers = [number for number in range(len(asked)) for _ in parts]
        calls = ((self._hashes, *part, ones, most_bits, self._backend) for ones in asked for part in parts)
        for number, pairs in zip(numbers, self._cluster.results(_pairs_in_part, calls), strict=True):
            pause()
            yield number, pairs


def _pairs_in_part(
    hashes: Hashes, start: int, stop: int, asked: Hashes, most_bits: int, backend: Backend
) -> Pairs:
    found = _in_order(list(pairs_between(asked, hashes[start:stop], most_bits, backend=backend)))
    return Pairs(found.ones, found.others + start, found.bits)


def distances(ones: Hashes, others: Hashes) -> npt.NDArray[np.uint16]:
    """In how many bits each of `ones` differs from each of `others`, [ones, others]."""
    ours, theirs = _words(ones), np.ascontiguousarray(_words(others).T)
    found = np.empty((len(ones), len(others)), dtype=np.uint16)
    unlike = np.empty((_ROWS, len(others)), dtype=np.uint64)
    counts = np.empty((_WORDS, _ROWS, len(others)), dtype=np.uint8)
    for start in range(0, len(ones), _ROWS):
        rows = ours[start : start + _ROWS]
        for word in range(_WORDS):
            np.bitwise_xor(rows[:, word, None], theirs[word], out=unlike[: len(rows)])
            np.bitwise_count(unlike[: len(rows)], out=counts[word, : len(rows)])
        # Two words fit into eight bits, and four do not: a picture's negative differs in all 256.
        halves = counts[0::2, : len(rows)]
        halves += counts[1::2, : len(rows)]
        np.add(halves[0], halves[1], out=found[start : start + _ROWS], dtype=np.uint16)
    return found


def nearest(
    ones: Hashes, others: Hashes, pause: Callable[[], None] = lambda: None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first of the nearest of `others` to each of `ones`, and the bits in which they differ."""
    best, found = np.full(len(ones), BITS + 1, dtype=np.int64), np.zeros(len(ones), dtype=np.int64)
    for start in range(0, len(others), OTHER_BLOCK):
        block = others[start : start + OTHER_BLOCK]
        for first in range(0, len(ones), BLOCK):
            pause()
            apart = distances(ones[first : first + BLOCK], block)
            here = apart.argmin(axis=1)
            value, rows = apart[np.arange(len(here)), here], slice(first, first + len(here))
            is_better = value < best[rows]
            found[rows] = np.where(is_better, here + start, found[rows])
            best[rows] = np.minimum(value, best[rows])
    return found, best


def _of_counts(ones: Hashes, others: Hashes, most_bits: int, pause: Callable[[], None]) -> Iterator[Pairs]:
    for first in range(0, len(ones), BLOCK):
        asked, parts = ones[first : first + BLOCK], []
        for start in range(0, len(others), OTHER_BLOCK):
            pause()
            apart = distances(asked, others[start : start + OTHER_BLOCK])
            rows, columns = np.nonzero(apart <= most_bits)
            parts.append(Pairs(rows + first, columns + start, apart[rows, columns].astype(np.int64)))
        yield _in_order(parts)


def _of_faiss(ones: Hashes, others: Hashes, most_bits: int, pause: Callable[[], None]) -> Iterator[Pairs]:
    index = import_module("faiss").IndexBinaryFlat(BITS)
    index.add(np.ascontiguousarray(others))
    for first in range(0, len(ones), BLOCK):
        pause()
        # It finds what is nearer than the radius.
        ends, bits, columns = index.range_search(np.ascontiguousarray(ones[first : first + BLOCK]), most_bits + 1)
        rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends.astype(np.int64)))
        yield _in_order([Pairs(rows + first, columns.astype(np.int64), bits.astype(np.int64))])


def _in_order(parts: list[Pairs]) -> Pairs:
    ones, others, bits = (np.concatenate(column) for column in zip(_NONE, *parts, strict=True))
    order = np.lexsort((others, ones))
    return Pairs(ones[order], others[order], bits[order])


_NONE = Pairs(*(np.zeros(0, dtype=np.int64) for _ in range(3)))


def _takes_faiss(count: int, backend: Backend) -> bool:
    if backend == "numpy" or (backend == "auto" and count < FAISS_FROM):
        return False
    if _has_faiss():
        return True
    if backend == "faiss":
        raise ConfigError("faiss is not installed; run `pip install 'rawlabel[faiss]'`, or search with numpy")
    return False


@cache
def _has_faiss() -> bool:
    return find_spec("faiss") is not None


def _words(hashes: Hashes) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(hashes).view(np.uint64)
