"""All pairs of hashes that differ in few bits: exactly, and in blocks, so that memory does not grow with them.

Of bits as signs, the scalar product is 256 less twice the bits that differ; a product of matrices is the fastest
way to all of them without a further package. `faiss` (the extra `rawlabel[faiss]`) takes half the time, finds the
same pairs, and is used above `FAISS_FROM` hashes where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import BITS
from rawlabel.errors import ConfigError

FAISS_FROM = 100_000
"""Hashes on the larger side from which `auto` takes faiss."""
_BLOCK, _OTHER_BLOCK = 2048, 8192
"""Hashes that are compared at once: 64 MB of products."""

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
    search = _of_faiss if _takes_faiss(max(len(ones), len(others)), backend) else _of_products
    yield from search(ones, others, most_bits, pause)


def pairs_within(
    hashes: Hashes, most_bits: int, pause: Callable[[], None] = lambda: None, backend: Backend = "auto"
) -> Iterator[Pairs]:
    """Every pair of one set, once, the earlier row first, that differs in at most `most_bits`."""
    for start in range(0, len(hashes), _BLOCK):
        # Rows before this block have met it already.
        for found in pairs_between(hashes[start : start + _BLOCK], hashes[start:], most_bits, pause, backend):
            is_later = found.others > found.ones
            yield Pairs(found.ones[is_later] + start, found.others[is_later] + start, found.bits[is_later])


def nearest(
    ones: Hashes, others: Hashes, pause: Callable[[], None] = lambda: None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first of the nearest of `others` to each of `ones`, and the bits in which they differ."""
    best, found = np.full(len(ones), -np.inf, dtype=np.float32), np.zeros(len(ones), dtype=np.int64)
    for start in range(0, len(others), _OTHER_BLOCK):
        signs = _signs(others[start : start + _OTHER_BLOCK]).T
        for first in range(0, len(ones), _BLOCK):
            pause()
            products = _signs(ones[first : first + _BLOCK]) @ signs
            here = products.argmax(axis=1)
            value, rows = products[np.arange(len(here)), here], slice(first, first + len(here))
            is_better = value > best[rows]
            found[rows] = np.where(is_better, here + start, found[rows])
            best[rows] = np.maximum(value, best[rows])
    return found, ((BITS - best) / 2).astype(np.int64)


def _of_products(ones: Hashes, others: Hashes, most_bits: int, pause: Callable[[], None]) -> Iterator[Pairs]:
    for first in range(0, len(ones), _BLOCK):
        signs, parts = _signs(ones[first : first + _BLOCK]), []
        for start in range(0, len(others), _OTHER_BLOCK):
            pause()
            products = signs @ _signs(others[start : start + _OTHER_BLOCK]).T
            rows, columns = np.nonzero(products >= BITS - 2 * most_bits)
            bits = ((BITS - products[rows, columns]) / 2).astype(np.int64)
            parts.append(Pairs(rows + first, columns + start, bits))
        yield _in_order(parts)


def _of_faiss(ones: Hashes, others: Hashes, most_bits: int, pause: Callable[[], None]) -> Iterator[Pairs]:
    index = import_module("faiss").IndexBinaryFlat(BITS)
    index.add(np.ascontiguousarray(others))
    for first in range(0, len(ones), _BLOCK):
        pause()
        # It finds what is nearer than the radius.
        ends, bits, columns = index.range_search(np.ascontiguousarray(ones[first : first + _BLOCK]), most_bits + 1)
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


def _signs(hashes: Hashes) -> npt.NDArray[Any]:
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1
