"""The two classifiers: votes as their equation says, and choices that the raw holdout decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rawlabel.judge.probe import nearest_neighbors
from rawlabel.judge.probe.choice import LabeledFeatures
from rawlabel.judge.probe.linear import STRENGTHS, choose_linear
from rawlabel.judge.probe.nearest_neighbors import COUNTS, NeighborVotes, choose_neighbors

CPU = torch.device("cpu")


def planted(seed: int, per_class: int, noise: float, spread: float = 0.5) -> tuple[LabeledFeatures, np.ndarray]:
    """Four clouds in twelve dimensions with raw labels, a share of which is wrong; and the right ones."""
    rng = np.random.default_rng(seed)
    right = np.repeat(np.arange(4), per_class)
    features = np.eye(12)[right] + spread * rng.normal(size=(len(right), 12)) / np.sqrt(12)
    is_wrong = rng.random(len(right)) < noise
    raw = np.where(is_wrong, (right + rng.integers(1, 4, len(right))) % 4, right)
    return LabeledFeatures(features.astype(np.float32), raw), right


@pytest.mark.parametrize("most", [2**25, 100])
def test_votes_are_those_of_the_equation(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_neighbors, "_MOST_SIMILARITIES", most)  # 100: an image at a time
    rng = np.random.default_rng(5)
    bank = LabeledFeatures(rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 3, 60))
    queries = rng.normal(size=(25, 4)).astype(np.float32)
    predicted = NeighborVotes(bank, 3, CPU).predict(queries, (1, 5, 60))

    def direction(one: np.ndarray) -> np.ndarray:
        return one / np.linalg.norm(one, axis=1, keepdims=True)

    cosines = direction(queries) @ direction(bank.features).T
    for count in (1, 5, 60):
        for i, row in enumerate(cosines):
            nearest = np.argsort(-row)[:count]
            votes = [np.exp(row[nearest][bank.labels[nearest] == label] / 0.07).sum() for label in range(3)]
            assert predicted[count][i] == np.argmax(votes)


def test_the_length_of_features_has_no_vote() -> None:
    bank, _ = planted(1, 20, 0.2)
    longer = LabeledFeatures(
        bank.features * np.linspace(0.1, 9, len(bank), dtype=np.float32)[:, None], bank.labels
    )
    queries = planted(2, 10, 0.2)[0].features
    assert (
        NeighborVotes(bank, 4, CPU).predict(queries, (7,))[7]
        == NeighborVotes(longer, 4, CPU).predict(queries, (7,))[7]
    ).all()


def test_more_neighbors_are_chosen_where_labels_are_wrong() -> None:
    (train, _), (holdout, _), (unseen, right) = (planted(seed, 100, 0.4) for seed in (1, 2, 3))
    choice = choose_neighbors(train, holdout, 4, CPU)
    tried = dict(choice.tried)
    assert tuple(tried) == COUNTS
    best = max(tried.values())
    assert choice.raw_holdout_accuracy == best
    assert choice.setting == max(count for count, one in tried.items() if one == best) > 1
    one_neighbor = NeighborVotes(train, 4, CPU).predict(unseen.features, (1,))[1]
    assert (choice.predict(unseen.features) == right).mean() > (one_neighbor == right).mean() + 0.2


def test_no_more_neighbors_are_asked_than_there_are_images() -> None:
    train, _ = planted(1, 3, 0)
    assert [count for count, _ in choose_neighbors(train, train, 4, CPU).tried] == [1, 5, 10]


def test_the_penalty_is_chosen_by_the_raw_holdout() -> None:
    (train, _), (holdout, _), (unseen, right) = (planted(seed, 25, 0.4, spread=1.5) for seed in (1, 2, 3))
    choice = choose_linear(train, holdout)
    tried = dict(choice.tried)
    assert tuple(tried) == STRENGTHS
    best = max(tried.values())
    assert choice.setting == min(strength for strength, one in tried.items() if one == best)
    # What predicts is the classifier that was chosen, not the one that was fitted last.
    predicted = choice.predict(holdout.features)
    assert 100 * (predicted == holdout.labels).mean() == pytest.approx(best)
    assert best > tried[STRENGTHS[-1]]
    assert (choice.predict(unseen.features) == right).mean() > 0.6
