"""The search for near hashes is exact, whatever does it."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from rawlabel.artifacts.copies import hamming
from rawlabel.artifacts.copies.hamming import pairs_between, pairs_within
from rawlabel.errors import ConfigError

HAS_FAISS = find_spec("faiss") is not None
BACKENDS = [
    "numpy",
    pytest.param("faiss", marks=pytest.mark.skipif(not HAS_FAISS, reason="needs rawlabel[faiss]")),
]


def planted(count: int, seed: int) -> np.ndarray:
    """Random hashes, a third of them near another."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (count, 256), dtype=np.uint8)
    for row in range(0, count, 3):
        flips = rng.random(256) < rng.uniform(0, 0.4)
        bits[row] = bits[rng.integers(0, count)] ^ flips
    return np.packbits(bits, axis=1)


def one_by_one(ones: np.ndarray, others: np.ndarray, most_bits: int) -> list[tuple[int, int, int]]:
    apart = np.bitwise_count(ones[:, None] ^ others[None]).sum(axis=2, dtype=int)
    return [(row, column, apart[row, column]) for row, column in zip(*np.nonzero(apart <= most_bits), strict=True)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("most_bits", [0, 51, 64, 90])
def test_all_pairs_are_found(monkeypatch: pytest.MonkeyPatch, backend: str, most_bits: int) -> None:
    monkeypatch.setattr(hamming, "BLOCK", 7)
    monkeypatch.setattr(hamming, "OTHER_BLOCK", 11)
    hashes, others, pauses = planted(90, 1), np.concatenate([planted(90, 1)[40:60], planted(31, 2)]), []
    found = [
        row
        for pairs in pairs_between(hashes, others, most_bits, lambda: pauses.append(1), backend)
        for row in zip(*(column.tolist() for column in pairs), strict=True)
    ]
    assert found == one_by_one(hashes, others, most_bits) and len(found) >= 20
    assert len(pauses) >= 13
    within = [
        row
        for pairs in pairs_within(hashes, most_bits, backend=backend)
        for row in zip(*(column.tolist() for column in pairs), strict=True)
    ]
    assert sorted(within) == [row for row in one_by_one(hashes, hashes, most_bits) if row[0] < row[1]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_sets_may_be_empty(backend: str) -> None:
    none = np.zeros((0, 32), np.uint8)
    for ones, others in ((none, planted(3, 1)), (planted(3, 1), none), (none, none)):
        assert sum(len(found.ones) for found in pairs_between(ones, others, 64, backend=backend)) == 0


def test_without_faiss_asking_for_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "_has_faiss", lambda: False)
    with pytest.raises(ConfigError, match=r"rawlabel\[faiss\]"):
        list(pairs_between(planted(3, 1), planted(3, 1), 51, backend="faiss"))
    monkeypatch.setattr(hamming, "FAISS_FROM", 2)
    assert list(pairs_between(planted(3, 1), planted(3, 1), 0))
