"""Canaries are caught, all of them, and no longer when a stage of the pass is switched off."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from rawlabel.artifacts.certificate import Canaries
from rawlabel.images.image_source import ImageArray
from rawlabel.judge.decontaminate.comparing import Settings
from rawlabel.judge.decontaminate.decontaminating import decontaminate
from rawlabel.judge.decontaminate.kept_fingerprints import FILE

pytestmark = pytest.mark.integration


def drawn(seed: int, count: int, height: int, width: int) -> ImageArray:
    """Soft spots of color on wide pictures, so that their middle squares are far from the whole."""
    rng = np.random.default_rng(seed)
    grid = (12, 18) if height > 64 else (5, 5)
    spots = rng.integers(0, 256, (count, *grid, 3), dtype=np.uint8)
    pictures = [cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in spots]
    return ImageArray(np.asarray(pictures, dtype=np.uint8), f"drawn {seed}")


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fingerprints")


@cache
def canaries(folder: Path, without: frozenset[str], is_small: bool) -> Canaries:
    size = (32, 32) if is_small else (160, 256)
    candidates, tests = drawn(1, 40, *size), drawn(2, 22, *size)
    found = decontaminate(candidates, tests, folder, settings=Settings(without=without))
    assert not found.removed
    return found.outcome.canaries


@pytest.mark.parametrize("is_small", [False, True])
def test_all_are_caught(cache_folder: Path, is_small: bool) -> None:
    found = canaries(cache_folder, frozenset(), is_small)
    assert found.planted == found.caught == 88, found.missed
    assert found.interval[0] > 0.95 and found.interval[1] == 1.0
    assert (cache_folder / FILE).is_file()


@pytest.mark.parametrize(
    ("off", "transforms"),
    [
        ("flip", {"flip", "flipped crop"}),
        ("trim", {"border"}),
        ("square", {"centre square"}),
        ("centre", {"ImageNet centre crop"}),
        ("grid", {"crop of 88 % or more a side", "flipped crop"}),
        ("identity+grid", {"size", "quality", "stretch", "gray", "light"}),
    ],
)
def test_without_a_stage_of_photos_its_canaries_are_missed(
    cache_folder: Path, off: str, transforms: set[str]
) -> None:
    found = canaries(cache_folder, frozenset(off.split("+")), False)
    assert found.caught < found.planted
    missed = {name for name, one in found.by_transform.items() if one.caught < one.planted}
    assert missed & transforms, missed


@pytest.mark.parametrize(
    ("off", "transform"),
    [("flip+grid", "flip"), ("grid", "crop"), ("identity+grid", "light"), ("correlation", "size")],
)
def test_without_a_stage_of_small_images_its_canaries_are_missed(
    cache_folder: Path, off: str, transform: str
) -> None:
    found = canaries(cache_folder, frozenset(off.split("+")), True)
    assert found.by_transform[transform].caught < found.by_transform[transform].planted


def test_without_verification_copies_far_from_any_probe_are_missed(cache_folder: Path) -> None:
    """The grid is so fine that it hides what verification does; without it, crops lie further away."""
    grid = frozenset({"grid"})
    with_it, without = (canaries(cache_folder, off, False) for off in (grid, grid | {"verification"}))
    assert without.caught < with_it.caught
