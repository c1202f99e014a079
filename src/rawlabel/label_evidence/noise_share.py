"""Estimated share of wrong raw labels: three figures with intervals, and what each takes for granted.

With one raw label for each photo the share is not identifiable without assumptions (Liu, Cheng and Zhang, ICML
2023), so there is never one number: the figures fail in different directions.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cleanlab.count import compute_confident_joint, estimate_joint

from rawlabel.label_evidence.held_out import Floats, HeldOut, Labels, Pool

DRAWS = 200
"""Bootstrap samples: enough for limits at 95 %, which are good to about a tenth of their distance."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A share [0 to 1] with the limits of its bootstrap interval; None where no photo tells anything."""

    estimate: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """One way to estimate the share of wrong labels."""

    name: str
    share: Interval
    per_class: tuple[Interval, ...]
    """Of the photos with each raw label, in the order of the classes."""
    meaning: str
    assumptions: str
    bias: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Photos with the raw label `given` that show `preferred`, by the estimate."""

    given: int
    preferred: int
    share: Interval
    """Of the photos with the raw label `given`."""


@dataclass(frozen=True, eq=False)
class NoiseEvidence:
    """What held-out predictions say about wrong labels as a whole."""

    estimates: tuple[ShareEstimate, ...]
    joint: Floats
    """Estimated joint distribution [raw label, right class] of the photos; adds up to 1."""
    pairs: tuple[Pair, ...]
    """The most frequent mistakes, by their share of all photos."""
    photos: int
    runs: int
    confidence: float
    draws: int

    @property
    def transition(self) -> Floats:
        """P(raw label j | right class i) at [i, j]; a row without any photo is the identity's."""
        by_class = self.joint.T
        totals = by_class.sum(axis=1, keepdims=True)
        return np.where(totals > 0, by_class / np.where(totals > 0, totals, 1), np.eye(len(by_class)))


_WORDS = {
    "contradicted": (
        "share of photos of which the networks are confident that they show another class than their label",
        "the networks are right where they are confident",
        "low when networks are unsure or have learned the same mistakes as the labels; high only where a confident "
        "network is wrong",
    ),
    "confident_learning": (
        "share of wrong labels by the calibrated confident joint (Northcutt et al., arXiv 1911.00068)",
        "whether a label is wrong depends on the right class alone and not on the photo, and mistakes are not "
        "learnable",
        "high with weak networks, whose own errors look like wrong labels; low where mistakes depend on the photo "
        "and can be learned, as with people and searches",
    ),
    "disagreement": (
        "share of photos whose label is not the networks' first choice: one minus the held-out accuracy",
        "the networks make no mistake of their own, and cannot foresee wrong labels",
        "a ceiling where mistakes cannot be learned: with them it holds the networks' own errors too; too low where "
        "wrong labels can be foreseen from the photo by more than the networks err",
    ),
}


def estimate_noise(
    pool: Pool, *, confidence: float = 0.95, draws: int = DRAWS, most_pairs: int = 30, seed: int = 0
) -> NoiseEvidence:
    """Estimate the share of wrong labels, of all photos and of each class, and the mistakes behind it.

    The confident joint is cleanlab's (`cleanlab.count`), on mean predictions of runs that held the photo out. The
    intervals are percentiles over `draws` bootstrap samples of photos and runs; they show the spread, not the bias
    that `ShareEstimate.bias` states.
    """
    pooled = pool.mean()
    figures, joint = _figures(pooled.labels, pooled.probabilities)
    pairs = _largest_off_diagonal(joint, most_pairs)
    counts = pooled.counts()
    sampled: dict[str, list[Floats]] = {name: [] for name in _WORDS}
    sampled_pairs = []
    for labels, probabilities in pool.resampled(draws, seed):
        drawn, drawn_joint = _figures(labels, probabilities)
        present = np.bincount(labels, minlength=pooled.num_classes)
        for name, by_class in drawn.items():
            sampled[name].append(np.append(by_class, _overall(by_class, present)))
        sampled_pairs.append(_shares_of_pairs(drawn_joint, pairs))
    estimates = tuple(
        _estimate(name, figures[name], counts, np.array(sampled[name]), confidence) for name in _WORDS
    )
    limits = _limits(np.array(sampled_pairs).reshape(draws, len(pairs)), confidence)
    points = _shares_of_pairs(joint, pairs)
    return NoiseEvidence(
        estimates,
        joint,
        tuple(
            Pair(given, preferred, _interval(points[k], limits[:, k])) for k, (given, preferred) in enumerate(pairs)
        ),
        len(pooled.labels),
        len(pool.runs),
        confidence,
        draws,
    )


def confident_joint(held_out: HeldOut) -> Floats:
    """Estimated joint distribution [raw label, right class], by confident learning."""
    return _figures(held_out.labels, held_out.probabilities)[1]


def _figures(labels: Labels, probabilities: Floats) -> tuple[dict[str, Floats], Floats]:
    """For each estimator the share of wrong labels by raw label [classes] (NaN without photos), and the joint."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    confident = np.asarray(compute_confident_joint(labels, probabilities, calibrate=False), dtype=np.float64)
    with warnings.catch_warnings():
        # A class without photos divides nought by nought; its row is set below.
        warnings.simplefilter("ignore", RuntimeWarning)
        joint = np.asarray(estimate_joint(labels, probabilities, confident_joint=confident), dtype=np.float64)
    joint = np.nan_to_num(joint)
    joint[counts == 0] = 0
    joint /= joint.sum()
    right = np.bincount(labels[probabilities.argmax(axis=1) == labels], minlength=classes)
    # cleanlab puts a one on the diagonal of a class in which nothing is confident; that is no photo.
    confidently_wrong = confident.sum(axis=1) - np.diag(confident)
    per_label = np.where(counts > 0, counts, np.nan)
    with np.errstate(invalid="ignore"):
        wrong_mass = (joint.sum(axis=1) - np.diag(joint)) / joint.sum(axis=1)
    return {
        "contradicted": confidently_wrong / per_label,
        "confident_learning": np.where(counts > 0, wrong_mass, np.nan),
        "disagreement": (counts - right) / per_label,
    }, joint


def _overall(by_class: Floats, counts: Labels) -> float:
    return float(np.nansum(by_class * counts) / counts.sum())


def _estimate(name: str, by_class: Floats, counts: Labels, sampled: Floats, confidence: float) -> ShareEstimate:
    limits = _limits(sampled, confidence)
    per_class = tuple(_interval(by_class[i], limits[:, i]) for i in range(len(by_class)))
    overall = _interval(_overall(by_class, counts), limits[:, -1])
    return ShareEstimate(name, overall, per_class, *_WORDS[name])


def _limits(sampled: Floats, confidence: float) -> Floats:
    """Lower and upper percentile [2, columns]; a column that is nowhere known stays NaN."""
    tail = (1 - confidence) / 2
    known = ~np.isnan(sampled).all(axis=0)
    limits = np.full((2, sampled.shape[1]), np.nan)
    limits[:, known] = np.nanquantile(sampled[:, known], (tail, 1 - tail), axis=0)
    return limits


def _interval(estimate: float, limits: Floats) -> Interval:
    values = (float(estimate), float(limits[0]), float(limits[1]))
    return Interval(*(None if np.isnan(value) else value for value in values))


def _largest_off_diagonal(joint: Floats, most: int) -> list[tuple[int, int]]:
    off = joint - np.diag(np.diag(joint))
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, off.shape), strict=True) if off[i, j] > 0]


def _shares_of_pairs(joint: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    totals = joint.sum(axis=1)
    return np.array([joint[i, j] / totals[i] if totals[i] else np.nan for i, j in pairs])
