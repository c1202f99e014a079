"""Weights of raw labels, from planted features: wrong labels count little, whatever the classes' sizes."""

from __future__ import annotations

import numpy as np
import pytest

from rawlabel.models.transfer.agreement import FOLDS, agree, balanced_votes, directions, nearest_neighbors


def planted(sizes: tuple[int, ...], noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of a cloud a class, raw labels of which a share of each class is wrong, and which are right."""
    rng = np.random.default_rng(seed)
    right = np.repeat(np.arange(len(sizes)), sizes)
    features = np.eye(len(sizes), 16)[right] + 0.6 * rng.normal(size=(len(right), 16)) / 4
    is_wrong = rng.random(len(right)) < noise
    raw = np.where(is_wrong, (right + rng.integers(1, len(sizes), len(right))) % len(sizes), right)
    features = features.astype(np.float32)
    return directions(features, features.mean(axis=0)), raw, ~is_wrong


def weigh(features: np.ndarray, raw: np.ndarray, num_classes: int, **settings: int) -> np.ndarray:
    return agree(features, raw, num_classes, np.arange(len(raw)) % FOLDS, **settings).weights


def test_wrong_labels_count_little_and_right_ones_stay() -> None:
    features, raw, is_right = planted((120, 120, 120, 120), 0.4)
    before = raw.copy()
    weights = weigh(features, raw, 4)
    assert ((weights > 0) & (weights <= 1)).all() and (raw == before).all()
    assert weights[is_right].mean() > 0.9 and weights[~is_right].mean() < 0.3
    # Six of ten are right before; by weight, nearly all.
    assert weights[is_right].sum() / weights.sum() > 0.85


def test_a_small_class_is_not_outvoted() -> None:
    features, raw, is_right = planted((280, 60, 30, 12), 0.15)
    weights = weigh(features, raw, 4)
    smallest = (np.repeat(np.arange(4), (280, 60, 30, 12)) == 3) & is_right
    assert weights[smallest].mean() > 0.7


def test_many_photos_are_weighed_nearly_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Principal directions and heads that go on from round to round find the same labels wrong."""
    features, raw, is_right = planted((150, 150, 150, 150), 0.4)
    exact = weigh(features, raw, 4)
    monkeypatch.setattr("rawlabel.models.transfer.agreement._MANY", 100)
    monkeypatch.setattr("rawlabel.models.transfer.agreement._DIRECTIONS", 8)
    many = weigh(features, raw, 4)
    assert not np.array_equal(many, exact)  # another way
    assert ((many == 1) == (exact == 1)).mean() > 0.95
    assert many[is_right].sum() / many.sum() > 0.85


def test_nothing_is_doubted_where_all_agree() -> None:
    features, raw, _ = planted((60, 60, 60), 0.0)
    assert weigh(features, raw, 3).min() > 0.5


def test_a_photos_own_label_is_no_witness() -> None:
    """Where features say nothing, changing a label does not make its own photo agree with it."""
    rng = np.random.default_rng(1)
    features = directions(rng.normal(size=(200, 8)).astype(np.float32), np.zeros(8, dtype=np.float32))
    labels = rng.integers(0, 2, 200)
    flipped = labels.copy()
    flipped[0] = 1 - flipped[0]
    one, other = (agree(features, each, 2, np.arange(200) % FOLDS, rounds=1) for each in (labels, flipped))
    np.testing.assert_allclose(one.neighbors[0], other.neighbors[0], atol=0.02)
    np.testing.assert_allclose(one.head[0], other.head[0], atol=1e-9)


def test_neighbors_are_the_most_similar_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rawlabel.models.transfer.agreement._MOST_SIMILARITIES", 100)
    features = directions(
        np.random.default_rng(2).normal(size=(40, 5)).astype(np.float32), np.zeros(5, np.float32)
    )
    similar = features @ features.T
    np.fill_diagonal(similar, -np.inf)
    expected = np.sort(np.argsort(-similar, axis=1)[:, :7], axis=1)
    np.testing.assert_array_equal(np.sort(nearest_neighbors(features, 7), axis=1), expected)


def test_votes_are_shares_of_classes_of_equal_weight() -> None:
    labels, nearest = np.array([0, 0, 0, 1]), np.array([[1, 3], [0, 2], [1, 3], [0, 1]])
    votes = balanced_votes(nearest, labels, np.ones(4), 2)
    np.testing.assert_allclose(votes[0], [(1 / 3) / (1 / 3 + 1), 1 / (1 / 3 + 1)])
    np.testing.assert_allclose(votes[1], [1, 0])


@pytest.mark.parametrize(("sizes", "count"), [((2, 1), 50), ((1, 1), 1)])
def test_few_photos_are_weighed_as_well(sizes: tuple[int, ...], count: int) -> None:
    features, raw, _ = planted(sizes, 0.0)
    weights = weigh(features, raw, 2, neighbors=count)
    assert np.isfinite(weights).all() and len(weights) == sum(sizes)
