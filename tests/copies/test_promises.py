"""What is promised of copies, as exact lower bounds on changes with random parameters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from rawlabel.artifacts.copies.fingerprint import Fingerprint, fingerprint
from rawlabel.artifacts.copies.stars import stars_within
from rawlabel.artifacts.copies.table import Fingerprints
from rawlabel.base.metrics import clopper_pearson
from tests.helpers.picture_changes import FOUND, LIKELY, SURE, changed
from tests.helpers.pictures import photo

GROUPS = {"sure": SURE, "likely": LIKELY, "found": FOUND}
FLOORS = {"sure": (0.995, 0.995, 0.995), "likely": (0.95, 0.985, 0.985), "found": (0, 0, 0.97)}
"""Within 51 bits, within 64, and found by curating."""


def bits(one: Fingerprint, other: Fingerprint) -> int:
    return (int.from_bytes(one.hash) ^ int.from_bytes(other.hash)).bit_count()


def counts(group: str, pictures: Iterable[np.ndarray]) -> tuple[list[int], int]:
    """How many copies are within 51 bits, within 64, and found; and of how many."""
    hits, trials = np.zeros(3, int), 0
    for seed, picture in enumerate(pictures):
        original = fingerprint(picture)
        for name in GROUPS[group]:
            pictures = [picture, changed(name, picture, seed)]
            copy = fingerprint(pictures[1])
            apart = bits(original, copy)
            stars = stars_within(Fingerprints.of([original, copy]), pictures.__getitem__)
            is_found = any(one.is_sure for one in stars)
            hits += [apart <= 51, apart <= 64, is_found]
            trials += 1
    return hits.tolist(), trials


def assert_promised(group: str, pictures: Iterable[np.ndarray]) -> None:
    hits, trials = counts(group, pictures)
    for hit, floor in zip(hits, FLOORS[group], strict=True):
        assert clopper_pearson(hit, trials)[0] >= floor, (hits, trials)


@pytest.mark.integration
@pytest.mark.parametrize("group", GROUPS)
def test_promises_hold_on_drawn_pictures(group: str) -> None:
    count = {"sure": 190, "likely": 190, "found": 130}[group]
    assert_promised(group, (photo(seed, 130 + seed % 90) for seed in range(count)))


@pytest.mark.integration
@pytest.mark.real_data
@pytest.mark.parametrize("group", GROUPS)
def test_promises_hold_on_photos(group: str, shared_data: Path) -> None:
    files = sorted((shared_data / "flowers").glob("*/*/*.jpg"))[:: 7 if group == "sure" else 19]
    assert_promised(group, (np.asarray(cv2.imread(str(path)), np.uint8) for path in files))


def test_unrelated_pictures_are_no_copies() -> None:
    pictures = [photo(seed, 90) for seed in range(400)]
    drawn = Fingerprints.of([fingerprint(one) for one in pictures])
    assert stars_within(drawn, pictures.__getitem__) == []
