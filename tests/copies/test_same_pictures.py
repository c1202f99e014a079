"""Equal and nearly equal pictures of two sets, found without a label."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rawlabel.artifacts.copies import hamming
from rawlabel.artifacts.copies.fingerprint import Fingerprint, fingerprint
from rawlabel.artifacts.copies.same_pictures import same_pictures
from tests.helpers.pictures import photo


def jpeg(pixels: np.ndarray, quality: int = 60) -> np.ndarray:
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))


def replace_in(one: Fingerprint, pixels: bytes, packed: bytes) -> Fingerprint:
    return one._replace(pixels=pixels, hash=packed, trimmed=None)


def test_equal_pixels_and_near_copies_are_found_and_others_are_not() -> None:
    others = [fingerprint(photo(seed)) for seed in range(40)]
    smaller = cv2.resize(photo(5), (120, 100), interpolation=cv2.INTER_AREA)
    ones = [fingerprint(one) for one in (photo(3), jpeg(photo(4)), smaller, photo(99))]
    found = same_pictures(ones, others)
    assert found.found.tolist() == [3, 4, 5, -1]
    assert found.is_equal.tolist() == [True, False, False, False]
    assert found.bits[0] == 0 and 0 < found.bits[1] <= 51 and 0 < found.bits[2] <= 51


@pytest.mark.parametrize("side", [32, 64])
def test_near_copies_of_small_images_are_not_claimed(side: int) -> None:
    found = same_pictures(
        [fingerprint(photo(1, side)), fingerprint(jpeg(photo(2, side)))],
        [fingerprint(photo(seed, side)) for seed in range(3)],
    )
    assert found.found.tolist() == [1, -1]


def test_flat_pictures_are_no_copies_of_each_other() -> None:
    flat = [np.full((100, 120, 3), level, dtype=np.uint8) for level in (0, 120, 255)]
    assert same_pictures([fingerprint(flat[0])], [fingerprint(one) for one in flat[1:]]).found.tolist() == [-1]


def test_unreadable_pictures_are_like_none() -> None:
    assert same_pictures([None, fingerprint(photo(1))], [None]).found.tolist() == [-1, -1]


def test_the_nearest_of_many_is_found_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against all pairs, one by one; some bits of the copies differ, so that distances are around the limit."""
    monkeypatch.setattr(hamming, "BLOCK", 7)
    monkeypatch.setattr(hamming, "OTHER_BLOCK", 11)
    rng, pauses = np.random.default_rng(1), []
    originals = rng.integers(0, 2, (50, 256))
    copies = [originals[row % 50] ^ (rng.random(256) < rng.uniform(0, 0.4)) for row in range(30)]

    def of(bits: np.ndarray, tag: str) -> Fingerprint:
        packed = np.packbits(bits.astype(np.uint8)).tobytes()
        return replace_in(fingerprint(photo(1)), tag.encode(), packed)

    found = same_pictures(
        [of(one, f"a{row}") for row, one in enumerate(copies)],
        [of(one, f"b{row}") for row, one in enumerate(originals)],
        lambda: pauses.append(1),
    )
    apart = (np.array(copies)[:, None] != originals[None]).sum(axis=2)
    near = apart.min(axis=1) <= 51
    assert near.any() and not near.all()
    assert found.found.tolist() == np.where(near, apart.argmin(axis=1), -1).tolist()
    assert found.bits[near].tolist() == apart.min(axis=1)[near].tolist()
    assert len(pauses) == 5 * 5
