"""How far neighbors and a head agree with each raw label: a function of features and raw labels alone.

In each round every photo asks two kinds of witnesses, none of which has seen its own label: its nearest neighbors,
whose votes count as much as their own weights, and a logistic regression that was fitted, with these weights, to
the photos of the other folds. What the two say is averaged, and a raw label weighs as much as its share of the
likeliest class's. Votes are balanced: a class counts by the share of its own photos among the neighbors, so that a
large class does not outvote a small one.

That neighbors and a head together find wrong labels is the idea of many methods; this one is a soft form of the
agreement that is measured in arXiv 2605.22591, on features of one frozen network (as in arXiv 2408.14358). No
label is changed, and nothing but raw labels is looked at.

Of many photos the witnesses see the features along their first principal directions alone, and a round's heads
begin where those of the round before ended: the time of both grows with the number of photos and of directions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits

from rawlabel.base import processes
from rawlabel.config.training.transfer import WEIGHING_POWER

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Features = npt.NDArray[np.float32]
"""[photos, features]."""
Labels = npt.NDArray[np.int64]
"""[photos], class indices."""
Probabilities = npt.NDArray[np.float64]
"""[photos, classes], rows that sum to 1."""

Heads: TypeAlias = "dict[int, LogisticRegression]"
"""By fold."""

FOLDS = 5
"""Parts of the photos that a head is fitted without."""
STRENGTH = 3.0
"""scikit-learn's C of these heads, on features of length 1."""
_MOST_SIMILARITIES = 2**25
"""Similarities held in memory at a time."""
_SMALL = 10**8
"""Products of one pass below which several threads wait for each other more than each with a fold of its own."""
_MOST_ITERATIONS = 100
_MANY = 10_000
"""Photos above which the witnesses see principal directions alone."""
_DIRECTIONS = 256


@dataclass(frozen=True, eq=False)
class Agreement:
    """What the witnesses say of each photo's raw label, in the last round."""

    weights: npt.NDArray[np.float64]
    """Share of the raw label of the likeliest class's, to the power asked for [photos]; 1 where they agree."""
    neighbors: Probabilities
    head: Probabilities

    @property
    def likeliest(self) -> Labels:
        """The class that the witnesses together find likeliest [photos]."""
        found: Labels = (self.neighbors + self.head).argmax(axis=1)
        return found


def agree(
    features: Features,
    labels: Labels,
    num_classes: int,
    folds: Labels,
    *,
    rounds: int = 3,
    neighbors: int = 50,
    power: float = WEIGHING_POWER,
) -> Agreement:
    """Weigh the `labels` of photos by their `features`, centred and of length 1, in so many `rounds`.

    Above 1, `power` lets doubted labels count less.
    `folds` [photos] are the parts, from 0 on, that heads are fitted without; photos of one author are in one.
    """
    weights = np.ones(len(labels))
    features = affordable(features)
    nearest = nearest_neighbors(features, min(neighbors, len(labels) - 1))
    heads: Heads = {}
    for _ in range(rounds):
        votes = balanced_votes(nearest, labels, weights, num_classes)
        head = cross_fitted(features, labels, weights, num_classes, folds, heads if len(labels) > _MANY else None)
        joint = votes + head
        weights = joint[np.arange(len(labels)), labels] / joint.max(axis=1)
    return Agreement(weights**power, votes, head)


def directions(features: Features, mean: npt.NDArray[np.float32]) -> Features:
    """Features [photos, features] less `mean` [features], each row scaled to length 1. A row of zeros stays so."""
    centred = features - mean
    scaled: Features = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return scaled


def affordable(features: Features) -> Features:
    """Features in which neighbors are found in a bearable time: of many photos, the principal directions alone."""
    return principal(features, _DIRECTIONS) if len(features) > _MANY else features


def principal(features: Features, count: int) -> Features:
    """Features [photos, count] along the first principal directions, at length 1 again."""
    if features.shape[1] <= count:
        return features
    _, vectors = np.linalg.eigh((features.T @ features).astype(np.float64))
    return directions(features @ vectors[:, -count:].astype(np.float32), np.zeros(count, dtype=np.float32))


def nearest_neighbors(features: Features, count: int) -> Labels:
    """The `count` most similar other photos of each [photos, count], in no order, by the cosine."""
    found = np.empty((len(features), count), dtype=np.int64)
    size = max(1, _MOST_SIMILARITIES // max(1, len(features)))
    for start in range(0, len(features), size):
        similar = features[start : start + size] @ features.T
        rows = np.arange(len(similar))
        similar[rows, start + rows] = -np.inf
        # Of tens of thousands, torch finds the largest twenty times as fast as NumPy.
        largest = torch.from_numpy(similar).topk(count, dim=1, sorted=False).indices
        found[start : start + size] = largest.numpy()
    return found


def balanced_votes(
    nearest: Labels, labels: Labels, weights: npt.NDArray[np.float64], num_classes: int
) -> Probabilities:
    """Each class's share of the votes of neighbors [photos, neighbors], had all classes the same weight."""
    photos = len(nearest)
    counted = np.bincount(
        (np.arange(photos)[:, None] * num_classes + labels[nearest]).ravel(),
        weights[nearest].ravel(),
        photos * num_classes,
    ).reshape(photos, num_classes)
    totals = np.bincount(labels, weights, num_classes)
    votes: Probabilities = counted / np.where(totals > 0, totals, 1)
    sums = votes.sum(axis=1, keepdims=True)
    shares: Probabilities = np.where(sums > 0, votes / np.where(sums > 0, sums, 1), 1 / num_classes)
    return shares


def cross_fitted(
    features: Features,
    labels: Labels,
    weights: npt.NDArray[np.float64],
    num_classes: int,
    folds: Labels,
    heads: Heads | None = None,
) -> Probabilities:
    """What heads say of the photos of each fold that were fitted, with `weights`, to those of the others.

    Classes count the same in a head, however many photos they have. A class that the others lack has no
    probability. Heads begin as those in `heads` ended, where given, which are fitted on and kept there.
    """
    # A second to load, which only trainings that weigh their labels need.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    said = np.full((len(labels), num_classes), 1 / num_classes)
    is_small = features.size * num_classes < _SMALL
    begun = {} if heads is None else heads
    for fold in np.unique(folds).tolist():
        begun.setdefault(
            fold, LogisticRegression(C=STRENGTH, max_iter=_MOST_ITERATIONS, warm_start=heads is not None)
        )

    def fit(fold: int) -> None:
        others, own = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        present = np.unique(labels[others])
        totals = np.bincount(labels[others], weights[others], num_classes)
        if len(present) < 2 or not totals.any():
            return
        balance = totals[present].mean() / np.maximum(totals, 1e-12)
        model = begun[fold]
        model.fit(features[others], labels[others], weights[others] * balance[labels[others]])
        said[own] = 0
        said[np.ix_(own, present)] = model.predict_proba(features[own])

    with threadpool_limits(1 if is_small else None), warnings.catch_warnings(), processes.own_threads() as pool:
        # One that is stopped short has learned less, which is no fault here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        list((pool.map if is_small else map)(fit, np.unique(folds).tolist()))
    return said
