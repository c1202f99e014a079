"""Copies are gathered around the best representative, and never by chains."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rawlabel.artifacts.copies import stars as module
from rawlabel.artifacts.copies.agreement import agreement
from rawlabel.artifacts.copies.fingerprint import fingerprint
from rawlabel.artifacts.copies.stars import SURE_BITS, stars_within
from rawlabel.artifacts.copies.table import Fingerprints
from rawlabel.errors import DataError
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


def unreadable(place: int) -> np.ndarray:
    raise DataError(f"{place}: is gone")


def test_a_chain_is_no_star() -> None:
    bits = np.zeros((5, 256), np.uint8)
    for row in range(5):
        bits[row, : 20 * row] = 1
    pictures = pictures_of(np.packbits(bits, axis=1))
    found = stars_within(pictures, unreadable)
    sure = [(one.of, one.copy, one.bits) for one in found if one.is_sure]
    # What differs in more bits is no copy unless the pixels say so, and these are gone.
    assert sure == [(0, 1, 20), (2, 3, 20)]
    assert [(one.of, one.copy, one.bits) for one in found if not one.is_sure] == [(0, 2, 40), (2, 4, 40)]
    picture = photo(1, 200)
    found = stars_within(pictures, lambda _: picture)
    assert [(one.of, one.copy, one.bits) for one in found] == [(0, 1, 20), (0, 2, 40), (3, 4, 20)]


def test_like_forms_are_no_copies_and_a_person_hears_of_them() -> None:
    """Two writers' digits on plain paper: one form, other edges; the same drawing in another color."""

    def seven(shift: int, ink: tuple[int, int, int]) -> np.ndarray:
        paper = np.full((120, 120, 3), (40, 70, 60), np.uint8)
        corners = np.array([[35, 30], [80, 34], [52 + shift, 95]], np.int32)
        return np.asarray(cv2.polylines(paper, [corners], False, ink, 9 + shift, cv2.LINE_AA), np.uint8)

    one = seven(0, (230, 220, 120))
    smaller = cv2.resize(one, (84, 84), interpolation=cv2.INTER_AREA)
    others = [seven(7, (230, 220, 120)), seven(0, (120, 150, 240))]
    for other, is_one in ((smaller, True), *((one, False) for one in others)):
        assert agreement(one, np.asarray(other, np.uint8)).is_copy == is_one
    pictures = [one, others[1]]
    hashes = np.zeros((2, 32), np.uint8)
    hashes[1, :5] = 255
    found = stars_within(pictures_of(hashes), pictures.__getitem__)
    assert [(one.is_sure, one.is_member, one.bits) for one in found] == [(False, False, 40)]


@pytest.mark.parametrize("seed", range(8))
def test_each_copy_belongs_to_the_best_middle_that_it_can_belong_to(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_ROWS", 5)
    monkeypatch.setattr(module, "_MOST_ROWS", 9)
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (60, 256), dtype=np.uint8)
    for row in range(20, 60):
        bits[row] = bits[rng.integers(0, row)] ^ (rng.random(256) < rng.uniform(0, 0.15))
    hashes, told = np.packbits(bits, axis=1), []
    found = stars_within(pictures_of(hashes), unreadable, told.append)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(axis=2, dtype=int)
    middles = np.full(60, -1)
    for place in range(60):
        if middles[place] < 0:
            free = (middles < 0) & (apart[place] <= SURE_BITS)
            middles[free] = place
    members = {one.copy: one.of for one in found if one.is_member}
    assert members == {row: middle for row, middle in enumerate(middles.tolist()) if middle != row}
    assert all(apart[one.of, one.copy] == one.bits for one in found) and sum(told) == 60
