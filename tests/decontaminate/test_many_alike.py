"""Where all photos are alike, as many pairs are near as there are pairs: the answer is exact, the memory flat."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from rawlabel.images.image_source import ImageFiles
from rawlabel.judge.decontaminate import comparing, hashes
from rawlabel.judge.decontaminate.comparing import Comparison, Settings, Sides, compare
from rawlabel.judge.decontaminate.kept_fingerprints import Fingerprints, empty_rows
from rawlabel.judge.decontaminate.probes import BARE

NUM_PROBES = len(BARE)


def alike(count: int, seed: int) -> np.ndarray:
    """Hashes of one picture's edits, 10 to 60 bits away from it."""
    rng = np.random.default_rng(seed)
    order = rng.random((count, 256)).argsort(axis=1)
    flips = order < rng.integers(10, 60, count)[:, None]
    bits = np.random.default_rng(0).integers(0, 2, 256, dtype=np.uint8) ^ flips
    return np.packbits(bits.astype(np.uint8), axis=1)


def prints(count: int, seed: int) -> Fingerprints:
    rows = empty_rows(count)
    rows["hash"], rows["mirrored"] = alike(count, seed), alike(count, seed + 1)
    rows["pixels"] = np.random.default_rng(seed).integers(0, 256, (count, 32))
    rows["is_telling"], rows["size"] = True, 200
    return Fingerprints(rows, np.ones(count, dtype=np.bool_))


def compared(num_candidates: int, num_tests: int) -> tuple[Comparison, Fingerprints, np.ndarray]:
    own, probes = prints(num_candidates, 1), alike(num_tests * NUM_PROBES, 5).reshape(num_tests, NUM_PROBES, 32)

    class Kept:
        def probes(self, *_: Any) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
            for start in range(0, num_tests, 30):
                some = probes[start : start + 30]
                yield start, some, np.ones(some.shape[:2], dtype=np.bool_)

    tests = Sides(ImageFiles(["x"] * num_candidates), own, ImageFiles(["x"] * num_tests), prints(num_tests, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "photo_probes", lambda _: BARE)
        # No pixels are there to look at.
        found = compare(tests, Kept(), Settings(without=frozenset({"verification"}), listed=4))  # type: ignore[arg-type]
    return found, own, probes


def test_what_is_found_is_what_a_look_at_each_pair_alone_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "OTHER_BLOCK", 64)
    monkeypatch.setattr(hashes, "_AT_ONCE", 700)
    found, own, probes = compared(150, 70)
    kinds = np.stack([own.rows["hash"], own.rows["mirrored"]])
    apart = np.bitwise_count(kinds[:, :, None, None] ^ probes[None, None]).sum(axis=-1, dtype=int)
    bits = apart.min(axis=(0, 3))
    copies = [(int(row.argmin()), int(row.min())) for row in bits]
    wanted = {place: one for place, one in enumerate(copies) if one[1] <= 32}
    assert {one.candidate: (one.test, one.bits) for one in found.matches} == wanted and len(wanted) > 20
    named = {one.name: place for place, one in enumerate(BARE)}
    for one in (*found.matches, *found.review):
        name, _, turned = one.probe.partition(", ")
        assert apart[int(turned == "flipped"), one.candidate, one.test, named[name]] == one.bits
    left = [
        [(bits[place, test], place) for place in range(150) if place not in wanted and bits[place, test] <= 90]
        for test in range(70)
    ]
    assert min(map(len, left)) > 50
    listed = sorted(
        (one / 256, test, place) for test, pairs in enumerate(left) for one, place in sorted(pairs)[:4]
    )
    assert [(one.doubt, one.test, one.candidate) for one in found.review] == listed


def test_memory_does_not_grow_with_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "_AT_ONCE", 20_000)
    tracemalloc.start()
    try:
        found, *_ = compared(2000, 100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.review) == 400
    # 200,000 pairs are near, of which the list alone took 60 MB; the fingerprints take 7, all together 15.
    assert peak < 25e6
