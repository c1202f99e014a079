"""Decoding for training: right colors, and no shrinking that costs more than it saves."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from rawlabel.images.decoding import Transform, decode_image, resize_pixels


def jpeg(width: int, height: int) -> np.ndarray:
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2] = (200, 30, 90)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=95)
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "stored_side", "shape"),
    [
        ((500, 375), 320, (375, 500)),  # hardly larger: cropped from as it is
        ((250, 180), 320, (180, 250)),  # smaller: enlarging it would add nothing
        ((1000, 750), 320, (320, 427)),
        ((40, 36), 32, (32, 36)),  # small ones get their side, so that they fit into one array
        ((24, 24), 32, (32, 32)),
    ],
)
def test_photos_are_shrunk_where_it_pays(size: tuple[int, int], stored_side: int, shape: tuple[int, int]) -> None:
    decoded = decode_image(jpeg(*size), stored_side)
    assert decoded.shape[:2] == shape
    assert decoded[5, 5] == pytest.approx(np.array((200, 30, 90)), abs=6)
    assert decoded.flags.c_contiguous


def test_a_flipped_view_is_the_mirror_image_of_the_other() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    transform = Transform(72, "resized_crop")
    flipped, straight = (
        transform.training_view(pixels, np.array([0.5, 0.5, 0.2, 0.3, last])) for last in (0.4, 0.6)
    )
    assert np.array_equal(flipped, straight[:, ::-1])


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((500, 375), (224, 224)), ((300, 280), (224, 224)), ((250, 240), (224, 224)), ((150, 150), (224, 224)),
     ((32, 32), (16, 16)), ((300, 180), (224, 224))],
)  # fmt: skip
def test_resizing_is_as_fine_as_pillows(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), dtype=np.uint8)
    pixels = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), dtype=np.uint8)
    pixels.flags.writeable = False  # as images of a pack are
    resized = resize_pixels(pixels, wanted)
    pillows = np.asarray(Image.fromarray(pixels).resize(wanted, Image.Resampling.BILINEAR))
    assert resized.flags.c_contiguous
    assert np.abs(resized.astype(float) - pillows).mean() < 0.6
