"""Which of several heads to train, by raw labels alone: a function of features and raw labels.

Each candidate is fitted to the photos of all folds but one and asked about that one, whose labels had no part in
it, nor in the weights of the photos it was fitted to. Under noise that leaves each class's own label its most
frequent one, the classifier that is best on raw labels is best on right ones (Chen et al., arXiv 2012.04193).

Of those that say nearly as many raw labels, the one with the highest log likelihood is taken, which has less
chance in it, once a share of labels is allowed to say nothing and confidence is brought to what it is worth: both
are fitted, candidate by candidate. Alone it will not do: where searches bring siblings' photos, a head is likelier
that has learned which wrong labels to expect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from rawlabel.config.training.transfer import HeadCandidate
from rawlabel.models.transfer.agreement import (
    STRENGTH,
    Features,
    Labels,
    balanced_votes,
    directions,
    nearest_neighbors,
)
from rawlabel.models.transfer.head import SCALE
from rawlabel.models.transfer.many_heads import MOST_NUMBERS, Axes, Heads, fitted, principal_axes

Floats = npt.NDArray[np.float64]

GCE_EXPONENT = 0.7
"""q of a candidate's generalized cross-entropy, as published and as the method has it."""
MOST_PHOTOS = 6000
"""Photos that candidates are compared on; of more, a part is taken."""
_FEWEST_OF_CLASS = 10
"""Photos a class, on average, below which a comparison says nothing."""
_MOST_WORK = 3e6
"""Photos times classes times candidates: about a minute of two cores."""
_MOST_AXES = 512
_TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0)
_SHARES = tuple(np.arange(0.01, 0.9, 0.04).tolist())
_LEVEL = 0.25
"""Standard errors by which a candidate may be behind and still be level; picked on flower photos (LOG.md)."""
_LEAST = 0.5
"""With `agreement`, the share of the likeliest class's that a raw label must have to count."""


class MeanOfPhotos(TypedDict):
    """A mean over photos with its standard error."""

    mean: float
    standard_error: float


class CandidateScores(TypedDict):
    """How a candidate did: accuracy [percent], how far behind the highest; loss [nats], and above the least."""

    accuracy: MeanOfPhotos
    behind: MeanOfPhotos
    loss: MeanOfPhotos
    above: MeanOfPhotos


@dataclass(frozen=True, eq=False)
class Scores:
    """What came of each candidate on the photos that it was not fitted to."""

    right: npt.NDArray[np.bool_]
    """Whether it says the raw label [photos, candidates]."""
    losses: Floats
    """Its negative log likelihood of the raw label [photos, candidates], in nats."""
    weights: Floats | None = None
    """What each photo counts [photos], 1 in the mean; None for all alike."""

    def chosen(self) -> int:
        """Of the candidates that are level with the one that says most raw labels, that with the smallest loss."""
        rows = self.table()
        is_level = [one["behind"]["mean"] <= _LEVEL * one["behind"]["standard_error"] for one in rows]
        return int(np.where(is_level, [one["loss"]["mean"] for one in rows], np.inf).argmin())

    def table(self) -> list[CandidateScores]:
        """Each candidate's accuracy [percent] and loss, with standard errors.

        `behind` and `above` are means over the photos of the differences to the highest accuracy and to the least
        loss, with the standard errors of these.
        """
        counted = np.ones(len(self.losses)) if self.weights is None else self.weights
        right, losses = 100.0 * counted[:, None] * self.right, counted[:, None] * self.losses
        most, least = right[:, right.mean(axis=0).argmax()], losses[:, losses.mean(axis=0).argmin()]
        return [
            {
                "accuracy": _mean_of_photos(right[:, one]),
                "behind": _mean_of_photos(most - right[:, one]),
                "loss": _mean_of_photos(losses[:, one]),
                "above": _mean_of_photos(losses[:, one] - least),
            }
            for one in range(losses.shape[1])
        ]


def class_balanced(labels: Labels) -> Floats:
    """What each photo counts, where every class that is there counts the same [photos]; 1 in the mean."""
    counts = np.bincount(labels)
    found: Floats = len(labels) / (np.count_nonzero(counts) * counts[labels])
    return found


def _mean_of_photos(values: npt.NDArray[np.floating[Any]]) -> MeanOfPhotos:
    return {"mean": float(values.mean()), "standard_error": float(values.std(ddof=1) / len(values) ** 0.5)}


def compared_on(keys: npt.NDArray[np.uint64], num_classes: int, candidates: int) -> Labels:
    """Positions of the photos that so many candidates are compared on, by the smallest `keys`, in order."""
    affordable = min(MOST_PHOTOS, int(_MOST_WORK / (num_classes * candidates)))
    most = max(affordable, 1000, _FEWEST_OF_CLASS * num_classes)
    found: Labels = np.sort(np.argsort(keys, kind="stable")[:most])
    return found


def within_reach(candidates: Sequence[HeadCandidate], num_classes: int) -> Sequence[HeadCandidate]:
    """Every so many of `candidates`, so that with many classes they take no more than minutes."""
    work = _FEWEST_OF_CLASS * num_classes**2 * len(candidates)
    step = -(-work // int(10 * _MOST_WORK))
    return candidates[:: max(1, step)]


def score(
    features: Features,
    labels: Labels,
    num_classes: int,
    folds: Labels,
    candidates: Sequence[HeadCandidate],
    *,
    decay_scale: float = 1.0,
    rounds: int = 3,
    neighbors: int = 50,
    advance: Callable[[int], object] = lambda _count: None,
) -> Scores:
    """How each of `candidates` does on the photos of each of `folds` when it is fitted to those of the others.

    The arguments are those of `cross_fitted_heads`.
    """
    said = cross_fitted_heads(
        features, labels, num_classes, folds, candidates,
        decay_scale=decay_scale, rounds=rounds, neighbors=neighbors, advance=advance,
    )  # fmt: skip
    right = np.stack([one.argmax(axis=1) == labels for one in said], axis=1)
    return Scores(right, np.stack([calibrated_losses(one, labels) for one in said], axis=1))


def cross_fitted_heads(
    features: Features,
    labels: Labels,
    num_classes: int,
    folds: Labels,
    candidates: Sequence[HeadCandidate],
    *,
    decay_scale: float = 1.0,
    rounds: int = 3,
    neighbors: int = 50,
    advance: Callable[[int], object] = lambda _count: None,
) -> list[npt.NDArray[np.float32]]:
    """What each of `candidates` says of the photos of each of `folds` when it is fitted to those of the others.

    Probabilities [photos, classes], one array a candidate.

    `features` [photos, features] are as the encoder gives them. Decays are taken `decay_scale` times: as many
    times as the run has photos for each one here, since a label's part in a mean is smaller there. `advance` hears
    of each number of candidates that is done.
    """
    parts = np.unique(folds)
    own = np.searchsorted(parts, folds)
    others = own[:, None] != np.arange(len(parts))
    heads = fitted_heads(
        features, labels, num_classes, others, own, candidates,
        decay_scale=decay_scale, rounds=rounds, neighbors=neighbors, advance=advance,
    )  # fmt: skip
    return [one[np.arange(len(labels)), own] for one in heads]


def fitted_heads(
    features: Features,
    labels: Labels,
    num_classes: int,
    others: npt.NDArray[np.bool_],
    inner: Labels,
    candidates: Sequence[HeadCandidate],
    *,
    decay_scale: float = 1.0,
    rounds: int = 3,
    neighbors: int = 50,
    advance: Callable[[int], object] = lambda _count: None,
) -> Iterator[npt.NDArray[np.float32]]:
    """What each of `candidates` says of all photos, fitted to the photos of each column of `others`.

    Probabilities [photos, columns, classes], one array a candidate; labels of photos outside of a column count
    nothing in it. Heads that weigh labels are fitted without the photos of the same number in `inner`, and in so
    many `rounds` unless they name their own.
    """
    by_length = directions(features, features.mean(axis=0))
    axes = {"length": principal_axes(SCALE * by_length, _MOST_AXES)}
    shares = {0: np.ones(others.shape)}
    if asked := {_rounds(one, rounds) for one in candidates} - {0}:
        nearest = nearest_neighbors(by_length, min(neighbors, len(labels) - 1))
        shares |= _shares(axes["length"], nearest, labels, num_classes, others, inner, asked)
    columns = others.shape[1]
    for some in _fitted_together(candidates, len(labels) * columns * num_classes):
        scale = some[0].feature_scale
        if scale not in axes:
            axes[scale] = principal_axes(SCALE * deviations(features), _MOST_AXES)
        decays = np.repeat([one.weight_decay * decay_scale for one in some], columns)
        exponents = np.repeat([GCE_EXPONENT if one.method == "gce" else 0.0 for one in some], columns)
        weights = np.concatenate([_weights(one, shares[_rounds(one, rounds)]) * others for one in some], axis=1)
        said = fitted(axes[scale], labels, num_classes, Heads(weights, decays, exponents))
        for head in np.split(said, len(some), axis=1):
            yield head
            advance(1)


def _fitted_together(candidates: Sequence[HeadCandidate], numbers: int) -> Iterator[Sequence[HeadCandidate]]:
    """Neighbors among `candidates` on the same features: fewer and larger products of matrices.

    As many at once as fit into memory where each says so many `numbers`.
    """
    most = max(1, MOST_NUMBERS // max(1, numbers))
    for _, group in groupby(candidates, key=lambda one: one.feature_scale):
        alike = list(group)
        yield from (alike[start : start + most] for start in range(0, len(alike), most))


def deviations(features: Features) -> Features:
    """Centred features, each at a mean square of 1 over the number of features; one that never differs is 0."""
    centred = features - features.mean(axis=0)
    spread = centred.std(axis=0) * features.shape[1] ** 0.5
    scaled: Features = np.where(spread > 0, centred / np.where(spread > 0, spread, 1), 0).astype(np.float32)
    return scaled


def calibrated_losses(said: npt.NDArray[np.float32], labels: Labels) -> Floats:
    """Negative log likelihood of each raw label, at the temperature and share of idle labels that fit best.

    `said` are probabilities [photos, classes]. An idle label is any class with the same probability.
    """
    classes, logs = said.shape[1], np.log(np.maximum(said, 1e-7))
    best = np.full(len(labels), np.inf)
    for temperature in _TEMPERATURES:
        sharpened = np.exp(logs / temperature)
        own = sharpened[np.arange(len(labels)), labels] / sharpened.sum(axis=1)
        for share in _SHARES:
            losses = -np.log((1 - share) * own + share / classes)
            best = losses if losses.sum() < best.sum() else best
    return best.astype(np.float64)


def _rounds(candidate: HeadCandidate, usual: int) -> int:
    """In how many rounds a candidate weighs labels; 0 where all count the same."""
    return 0 if candidate.weighing == "none" else candidate.weighing_rounds or usual


def _weights(candidate: HeadCandidate, shares: Floats) -> Floats:
    """What labels count, by the raw label's `shares` of the likeliest class's."""
    if candidate.weighing == "agreement":
        return (shares > _LEAST).astype(np.float64)
    power = candidate.weighing_power if candidate.weighing == "soft" else 0.0
    weights: Floats = shares**power
    return weights


def _shares(
    axes: Axes,
    nearest: Labels,
    labels: Labels,
    num_classes: int,
    others: npt.NDArray[np.bool_],
    inner: Labels,
    asked: Set[int],
) -> dict[int, Floats]:
    """As `agreement.agree`, once for each column of `others`, the photos that take part [photos, columns].

    By the number of rounds, for those that are `asked`: each round goes on from the one before.

    A head asked about a photo was fitted without those that have its number in `inner`, from 0 on.
    """
    (photos, columns), parts = others.shape, int(inner.max()) + 1
    shares, rows = others.astype(np.float64), np.arange(photos)
    after: dict[int, Floats] = {}
    for done in range(1, max(asked) + 1):
        counted = shares * others
        totals = np.stack([np.bincount(labels, counted[:, one], num_classes) for one in range(columns)])
        balance = (totals.mean(axis=1, keepdims=True) / np.maximum(totals, 1e-12))[:, labels].T
        masks = inner[:, None] != np.arange(parts)
        weights = (counted * balance)[:, :, None] * masks[:, None, :]
        weights = weights.reshape(photos, columns * parts)
        decays = SCALE**2 / (STRENGTH * np.maximum(weights.sum(axis=0), 1e-12))
        said = fitted(axes, labels, num_classes, Heads(weights, decays, np.zeros(len(decays))))
        head = said.reshape(photos, columns, parts, num_classes)[rows, :, inner]
        votes = [balanced_votes(nearest, labels, counted[:, one], num_classes) for one in range(columns)]
        joint = head + np.stack(votes, axis=1)
        shares = joint[rows, :, labels] / joint.max(axis=2)
        if done in asked:
            after[done] = shares
    return after
