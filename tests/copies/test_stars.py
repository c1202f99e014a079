"""Copies are gathered around the best representative, and never by chains."""

from __future__ import annotations

import numpy as np
import pytest

from rawlabel.artifacts.copies import stars as module
from rawlabel.artifacts.copies.fingerprint import fingerprint
from rawlabel.artifacts.copies.stars import stars_within
from rawlabel.artifacts.copies.table import Fingerprints
from tests.helpers.pictures import photo


def pictures_of(hashes: np.ndarray) -> Fingerprints:
    """Pictures with these hashes, whose thumbnails are nothing like each other."""
    rng, one = np.random.default_rng(0), fingerprint(photo(1, 200))
    return Fingerprints.of(
        [
            one._replace(
                hash=row.tobytes(), mirrored=rng.bytes(32), trimmed=None,
                thumbnail=rng.integers(0, 256, (32, 32, 3), dtype=np.uint8),
            )
            for row in hashes
        ]
    )  # fmt: skip


def test_a_chain_is_no_star() -> None:
    bits = np.zeros((5, 256), np.uint8)
    for row in range(5):
        bits[row, : 40 * row] = 1
    found = stars_within(pictures_of(np.packbits(bits, axis=1)))
    assert [(one.of, one.copy, one.bits) for one in found] == [(0, 1, 40), (2, 3, 40)]


@pytest.mark.parametrize("seed", range(8))
def test_each_copy_belongs_to_the_best_middle_that_it_can_belong_to(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_ROWS", 5)
    monkeypatch.setattr(module, "_MOST_ROWS", 9)
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (60, 256), dtype=np.uint8)
    for row in range(20, 60):
        bits[row] = bits[rng.integers(0, row)] ^ (rng.random(256) < rng.uniform(0, 0.25))
    hashes, told = np.packbits(bits, axis=1), []
    found = stars_within(pictures_of(hashes), told.append)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2, dtype=int)
    middles = np.full(60, -1)
    for place in range(60):
        if middles[place] < 0:
            free = (middles < 0) & (apart[place] <= 51)
            middles[free] = place
    members = {one.copy: one.of for one in found if one.is_member}
    assert members == {row: middle for row, middle in enumerate(middles.tolist()) if middle != row}
    assert all(apart[one.of, one.copy] == one.bits for one in found) and sum(told) == 60
