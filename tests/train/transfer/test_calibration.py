"""What a run knows of its own sureness: a temperature of raw labels, and when a photo is none of the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from rawlabel.errors import DataError
from rawlabel.models.calibration import Calibration, fit_limits, fit_temperature


def test_the_temperature_makes_probabilities_those_of_the_labels() -> None:
    rng = np.random.default_rng(0)
    right = rng.normal(size=(4000, 5)) * 2
    labels = np.array([rng.choice(5, p=row) for row in softmax(right, axis=1)])
    assert fit_temperature((3 * right).astype(np.float32), labels) == pytest.approx(3, rel=0.1)
    assert fit_temperature(np.zeros((0, 5), np.float32), labels[:0]) == 1


def test_wrong_labels_raise_the_temperature() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 5)) * 4
    labels = np.array([rng.choice(5, p=row) for row in softmax(logits, axis=1)])
    wrong = np.where(rng.random(4000) < 0.4, rng.integers(0, 5, 4000), labels)
    assert fit_temperature(logits.astype(np.float32), wrong) > 1.5


def photos(rng: np.random.Generator, middles: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(len(middles)), count)
    return (middles[labels] + rng.normal(size=(len(labels), middles.shape[1])) / 6).astype(np.float32), labels


def test_strangers_are_none_of_these_and_own_photos_are_not() -> None:
    rng = np.random.default_rng(2)
    axes = np.eye(16)
    features, labels = photos(rng, axes[:3], 400)
    strangers, _ = photos(rng, axes[5:9], 60)
    # Strangers stand among the training photos, too; the weighing doubts them.
    mixed = np.concatenate([features, strangers])
    given = np.concatenate([labels, rng.integers(0, 3, len(strangers))])
    weights = np.concatenate([np.ones(len(labels)), np.full(len(strangers), 0.02)])
    middles, limits, share = fit_limits(mixed, given, weights, 3)
    found = Calibration(1.0, 0, share, middles, limits)
    own, _ = photos(rng, axes[:3], 400)
    others, _ = photos(rng, axes[5:9], 100)
    assert found.is_none(own).mean() < 0.12 and share < 0.12
    assert found.is_none(others).mean() > 0.95


def test_a_group_of_another_thing_that_all_agree_on_is_none_of_these() -> None:
    """Such as photos of the cup under the name of the flower: alike, and doubted by no neighbor."""
    rng = np.random.default_rng(4)
    axes, labels = np.eye(100), np.repeat(np.arange(3), 200)
    features = (axes[labels] + 0.3 * rng.normal(size=(600, 100))).astype(np.float32)
    group = (2 * axes[99] + rng.normal(size=(70, 100)) / 30).astype(np.float32)
    features[:40] = group[:40]
    middle = features.mean(axis=0)
    middles, limits, share = fit_limits(features - middle, labels, np.ones(600), 3)
    found = Calibration(1.0, 0, share, middles, limits)
    assert found.is_none(group[40:] - middle).all()
    assert found.is_none(features[40:] - middle).mean() < 0.05


def test_it_travels_as_a_file_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    features, labels = photos(rng, np.eye(8)[:3], 50)
    middles, limits, share = fit_limits(features, labels, np.ones(150), 3)
    made = Calibration(1.7, 20, share, middles, limits)
    made.write(tmp_path)
    read = Calibration.read(tmp_path)
    assert read is not None and read.temperature == 1.7
    assert (read.is_none(features) == made.is_none(features)).mean() > 0.98
    assert Calibration.read(tmp_path / "elsewhere") is None
    (tmp_path / "calibration.json").write_text('{"temperature": 2}')
    with pytest.raises(DataError, match=r"calibration\.json: is no calibration"):
        Calibration.read(tmp_path)
