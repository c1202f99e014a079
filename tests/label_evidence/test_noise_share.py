"""The share of wrong labels: found where the assumptions hold, bracketed where networks are weak."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rawlabel.errors import DataError
from rawlabel.judge.label_evidence.held_out import HeldOut, Pool
from rawlabel.judge.label_evidence.noise_share import ShareEstimate, estimate_noise, frequent_mistakes
from tests.helpers.simulated_evidence import CLASSES, flip, held_out, predict


def estimates(*runs: HeldOut) -> dict[str, ShareEstimate]:
    return {one.name: one for one in estimate_noise(Pool.of(runs), draws=40).estimates}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_a_good_network_finds_the_share_of_wrong_labels_by_every_estimate(share: float) -> None:
    rng = np.random.default_rng(1)
    true = rng.integers(0, 4, 4000)
    found = estimates(held_out(flip(true, share, rng), predict(true, 0.995, rng)))
    for one in found.values():
        assert one.share.estimate == pytest.approx(share, abs=0.04)
        assert one.assumptions and one.bias
    assert found["surest_tenth"].share.lower <= share <= found["surest_tenth"].share.upper  # type: ignore[operator]


def test_a_weak_network_raises_the_ceiling_and_leaves_the_surest_tenth_near_the_truth() -> None:
    rng = np.random.default_rng(2)
    true = rng.integers(0, 4, 4000)
    found = estimates(held_out(flip(true, 0.15, rng), predict(true, 0.7, rng)))
    assert found["disagreement"].share.estimate > 0.3  # type: ignore[operator]
    assert found["confident_learning"].share.estimate > 0.25  # type: ignore[operator]
    assert found["surest_tenth"].share.estimate == pytest.approx(0.15, abs=0.06)


def test_intervals_grow_when_runs_disagree() -> None:
    rng = np.random.default_rng(3)
    true = rng.integers(0, 4, 1000)
    labels = flip(true, 0.2, rng)
    good, bad = predict(true, 0.99, rng), predict(true, 0.5, rng)
    alike = estimates(held_out(labels, good), held_out(labels, good))["disagreement"].share
    unlike = estimates(held_out(labels, good, prefix="a"), held_out(labels, bad, prefix="b"))["disagreement"].share
    assert unlike.upper - unlike.lower > 2 * (alike.upper - alike.lower)  # type: ignore[operator]


def test_one_way_mistakes_are_the_first_pair_and_a_class_without_photos_is_unknown() -> None:
    rng = np.random.default_rng(4)
    true = rng.integers(0, 3, 3000)
    labels = np.where((true == 0) & (rng.random(3000) < 0.3), 1, true)
    held = held_out(labels, predict(true, 0.98, rng))
    given, preferred = frequent_mistakes(held.labels, held.probabilities)[0]
    assert (CLASSES[given], CLASSES[preferred]) == ("bee", "ant")
    evidence = estimate_noise(Pool.of([held]), draws=40)
    assert all(one.per_class[3].estimate is None for one in evidence.estimates)


def test_a_photo_that_several_runs_held_out_counts_once() -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 50)
    one, other = predict(labels, 0.9, rng), predict(labels, 0.6, rng)
    pool = Pool.of([held_out(labels, one), held_out(labels, other)])
    assert pool.mean().probabilities == pytest.approx((one + other) / 2)
    assert pool.times_held_out().tolist() == [2] * 50


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"probabilities": np.full((2, 4), 0.3)}, "do not add up to 1"),
        ({"probabilities": np.full((3, 4), 0.25)}, "do not fit"),
        ({"labels": np.array([0, 4])}, "none of the classes"),
        ({"photos": (), "labels": np.zeros(0, int), "probabilities": np.zeros((0, 4))}, "nothing is held out"),
    ],
)
def test_what_cannot_be_predictions_is_refused(changes: dict[str, Any], complaint: str) -> None:
    usual = {"photos": ("a", "b"), "labels": np.array([0, 1]), "probabilities": np.full((2, 4), 0.25)}
    with pytest.raises(DataError, match=complaint):
        HeldOut(CLASSES, **(usual | changes))


def test_runs_on_other_classes_are_not_pooled() -> None:
    one = HeldOut(("a", "b"), ("p",), np.array([0]), np.array([[0.5, 0.5]]))
    other = HeldOut(("a", "c"), ("p",), np.array([0]), np.array([[0.5, 0.5]]))
    with pytest.raises(DataError, match="different classes"):
        Pool.of([one, other])
