"""What identifies a picture: the same on both sides of a comparison, one at a time or many at once."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from rawlabel.artifacts.copies import fingerprint as module
from rawlabel.artifacts.copies.alignment import likeness
from rawlabel.artifacts.copies.fingerprint import fingerprint, hashes_of, perceptual_hash
from rawlabel.artifacts.copies.table import Fingerprints
from rawlabel.artifacts.image_check import decode_image
from rawlabel.images.decoding import decode_image as decode_for_training
from tests.helpers.pictures import photo


def apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def test_version_1_stays_what_it_is() -> None:
    """Kept fingerprints are compared with new ones: another bit here takes another version."""
    assert module.VERSION == 1
    golden = "9b872e70992c9d78e613d46ce74eb2257f879ee49a4ece07113431f865b16113"
    assert apart(fingerprint(photo(1, 200)).hash, bytes.fromhex(golden)) <= 4


def test_many_at_once_have_the_hashes_that_each_has_alone() -> None:
    pictures = [photo(seed, side) for seed in range(30) for side in (40, 130, 601)]
    together = hashes_of(pictures)
    for one, packed in zip(pictures, together, strict=True):
        assert packed.tobytes() == hashes_of([one])[0].tobytes() == fingerprint(one).hash
        assert perceptual_hash(one) == packed.tobytes().hex()


def test_the_hash_is_that_of_the_cosine_transform_of_opencv() -> None:
    for seed in range(50):
        gray = cv2.resize(
            cv2.cvtColor(photo(seed, 90), cv2.COLOR_RGB2GRAY), (64, 64), interpolation=cv2.INTER_AREA
        )
        low = cv2.dct(gray.astype(np.float32))[:16, :16]
        assert apart(np.packbits(low > np.median(low)).tobytes(), fingerprint(photo(seed, 90)).hash) <= 1


def test_the_mirrored_hash_is_the_hash_of_the_mirror_image() -> None:
    for seed in range(30):
        for side in (90, 333):
            one, other = fingerprint(photo(seed, side)), fingerprint(photo(seed, side)[:, ::-1].copy())
            assert one.mirrored == other.hash
            assert apart(one.hash, other.hash) > 84


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("width", [(9, 0, 0, 0), (0, 0, 14, 14), (11, 11, 11, 11), (30, 8, 3, 25)])
def test_a_border_is_trimmed_before_the_second_hash(level: int, width: tuple[int, int, int, int]) -> None:
    for seed in range(5):
        picture = photo(seed, 160)
        bordered = cv2.copyMakeBorder(picture, *width, cv2.BORDER_CONSTANT, value=[level] * 3)
        data = cv2.imencode(".jpg", bordered, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
        found = fingerprint(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8))
        assert found.trimmed is not None
        assert apart(found.trimmed, fingerprint(picture).hash) <= 30


def test_pictures_without_a_border_have_no_second_hash() -> None:
    assert all(fingerprint(photo(seed)).trimmed is None for seed in range(20))
    assert fingerprint(np.full((50, 60, 3), 7, np.uint8)).trimmed is None


def test_flat_pictures_tell_nothing_and_photos_do() -> None:
    gradient = np.repeat(np.linspace(100, 120, 200).astype(np.uint8)[None, :, None], 150, 0).repeat(3, 2)
    for picture in (np.full((100, 120, 3), 255, np.uint8), gradient):
        assert not fingerprint(picture).is_telling
    assert all(fingerprint(photo(seed)).is_telling for seed in range(20))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_both_ways_to_decode_a_file_give_one_hash(kind: str) -> None:
    """Photos are checked with Pillow and trained on through OpenCV."""
    for seed in range(10):
        stream = BytesIO()
        Image.fromarray(photo(seed, 500)).save(stream, kind, quality=80)
        checked, picture = decode_image(stream.getvalue(), 64)
        pixels = decode_for_training(np.frombuffer(stream.getvalue(), np.uint8), None)
        assert picture is not None and checked.perceptual_hash is not None
        assert apart(fingerprint(pixels).hash, bytes.fromhex(checked.perceptual_hash)) <= 4


def test_thumbnails_of_copies_are_alike_where_they_do_not_lie_on_each_other() -> None:
    pictures = [photo(seed, 200) for seed in range(12)]
    thumbnails = [fingerprint(one).thumbnail for one in pictures]
    turned = [cv2.warpAffine(one, cv2.getRotationMatrix2D((115, 100), 2, 1.04), (230, 200)) for one in pictures]
    for changed in ([one[8:-5, 4:-9] for one in pictures], turned):
        for one, other in zip(thumbnails, changed, strict=True):
            assert likeness(one, fingerprint(np.ascontiguousarray(other)).thumbnail) > 0.85
    assert max(likeness(thumbnails[0], other) for other in thumbnails[1:]) < 0.7
    flat = np.full((32, 32, 3), 90, np.uint8)
    assert likeness(flat, flat) == likeness(flat, thumbnails[0]) == 0


def test_a_table_has_a_row_a_picture() -> None:
    found = [fingerprint(photo(seed, side)) for seed, side in ((1, 100), (2, 40))]
    table = Fingerprints.of(found)
    assert len(table) == 2 and table.is_small.tolist() == [False, True]
    assert table.select(np.array([1])).hash.tobytes() == found[1].hash
    assert not table.is_bordered.any() and table.is_telling.all()
    assert len(Fingerprints.of([])) == 0
