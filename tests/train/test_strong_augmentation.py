"""Strong views: decided by their numbers, of the right size, and as strong as asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.images.decoding import DRAWS, Transform
from rawlabel.images.strong_augmentation import OPERATIONS, StrongAugmentation

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
NO_FLIP = [0.5] * DRAWS


@settings(max_examples=80)
@given(
    operations=st.integers(0, 3),
    magnitude=st.floats(0, 30),
    augment=st.sampled_from(["resized_crop", "crop_flip", "crop", "none"]),
    seed=st.integers(0, 2**32),
)
def test_a_view_has_the_wanted_size_and_follows_its_numbers(
    operations: int, magnitude: float, augment: str, seed: int
) -> None:
    strong = StrongAugmentation(2, operations, magnitude)
    draws = np.random.default_rng(seed).random(strong.draws)
    transform = Transform(24, augment)
    before = PIXELS.copy()
    view = strong.view(transform, PIXELS, draws)
    assert (view.shape, view.dtype) == ((24, 24, 3), np.uint8)
    assert np.array_equal(view, strong.view(transform, PIXELS, draws.copy()))
    assert np.array_equal(PIXELS, before)


def test_without_operations_it_is_the_plain_view_with_a_square_cut_out() -> None:
    strong, transform = StrongAugmentation(1, 0, 0), Transform(24, "crop_flip")
    draws = np.array([*NO_FLIP, 0.5, 0.25])
    plain, view = transform.training_view(PIXELS, draws[:DRAWS]), strong.view(transform, PIXELS, draws)
    inside = np.zeros((24, 24), dtype=bool)
    inside[6:18, 0:12] = True
    assert (view[inside] == 128).all()
    assert np.array_equal(view[~inside], plain[~inside])
    weak = StrongAugmentation(1, 0, 0, cutout=False)
    assert np.array_equal(weak.view(transform, PIXELS, draws), plain)


@pytest.mark.parametrize("which", range(len(OPERATIONS)))
def test_every_operation_grows_with_its_magnitude(which: int) -> None:
    transform = Transform(24, "none")
    gradient = np.broadcast_to(np.linspace(20, 200, 24, dtype=np.uint8)[:, None, None], (24, 24, 3)).copy()
    gradient[:, ::3, 1] //= 2

    def change(magnitude: float) -> float:
        draws = np.array([*NO_FLIP, (which + 0.5) / len(OPERATIONS), 0.0, 0.0, 0.0])
        view = StrongAugmentation(1, 1, magnitude).view(transform, gradient, draws)
        return float(np.abs(view[6:, 6:].astype(int) - gradient[6:, 6:]).mean())

    has_strength = which not in (0, 1, 2)  # nothing, automatic contrast and equalizing have none
    assert change(30) > change(6) if has_strength else change(30) == change(6)
    if has_strength:
        assert change(0) == 0
