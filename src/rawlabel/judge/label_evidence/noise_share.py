"""Estimated share of wrong raw labels: three figures with intervals, and what each takes for granted.

With one raw label for each photo the share is not identifiable without assumptions (Liu, Cheng and Zhang, ICML
2023), so there is never one number: the figures fail in different directions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.count import compute_confident_joint, estimate_joint

from rawlabel.judge.label_evidence.held_out import Floats, Labels, Pool

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


@dataclass(frozen=True, eq=False)
class NoiseEvidence:
    """What held-out predictions say about wrong labels as a whole."""

    estimates: tuple[ShareEstimate, ...]
    joint: Floats
    """Estimated joint distribution [raw label, right class] of the photos; adds up to 1."""
    photos: int
    runs: int
    confidence: float
    draws: int


SUREST = 0.1
"""Share of the photos that counts as those of which the networks are surest."""

_WORDS = {
    "surest_tenth": (
        "share of photos whose label is not the networks' first choice, among the tenth of the photos of which "
        "the networks are surest, whatever their label",
        "there the networks are right, and labels are wrong as often as elsewhere",
        "low where labels of hard photos are wrong more often than those of easy ones, as with people; high by "
        "the errors that the networks make even where they are surest",
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
        "a ceiling where mistakes cannot be learned: with them it holds the networks' own errors too; too low "
        "where wrong labels can be foreseen from the photo by more than the networks err",
    ),
}


def estimate_noise(pool: Pool, *, confidence: float = 0.95, draws: int = DRAWS, seed: int = 0) -> NoiseEvidence:
    """Estimate the share of wrong labels, of all photos and of each class.

    The confident joint is cleanlab's (`cleanlab.count`), on mean predictions of runs that held the photo out. The
    intervals are percentiles over `draws` bootstrap samples of photos and runs; they show the spread, not the bias
    that `ShareEstimate.bias` states.
    """
    pooled = pool.mean()
    figures, joint = _figures(pooled.labels, pooled.probabilities)
    sampled: dict[str, list[Floats]] = {name: [] for name in _WORDS}
    for labels, probabilities in pool.resampled(draws, seed):
        drawn, _ = _figures(labels, probabilities)
        for name, shares in drawn.items():
            sampled[name].append(shares)
    estimates = tuple(_estimate(name, figures[name], np.array(sampled[name]), confidence) for name in _WORDS)
    return NoiseEvidence(
        estimates,
        joint,
        len(pooled.labels),
        len(pool.runs),
        confidence,
        draws,
    )


def frequent_mistakes(labels: Labels, probabilities: Floats) -> list[tuple[int, int]]:
    """Raw label and right class of the mistakes that the confident joint finds, the most frequent first.

    `probabilities` [photos, classes] are held-out predictions. Their order is what was measured, not their shares.
    """
    return _off_diagonal(_joint(labels, probabilities))


def _figures(labels: Labels, probabilities: Floats) -> tuple[dict[str, Floats], Floats]:
    """For each estimator the share of wrong labels of each class and, last, of all photos; and the joint.

    A class without photos to judge by has NaN.
    """
    joint = _joint(labels, probabilities)
    mass = joint.sum(axis=1)
    wrong_mass = np.divide(mass - np.diag(joint), mass, out=np.full(len(mass), np.nan), where=mass > 0)
    is_wrong = probabilities.argmax(axis=1) != labels
    confidence = probabilities.max(axis=1)
    surest = np.argsort(-confidence, kind="stable")[: max(1, round(SUREST * len(labels)))]
    return {
        "surest_tenth": _shares(labels[surest], is_wrong[surest], len(joint)),
        "confident_learning": np.append(wrong_mass, 1 - np.trace(joint)),
        "disagreement": _shares(labels, is_wrong, len(joint)),
    }, joint


def _joint(labels: Labels, probabilities: Floats) -> Floats:
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    confident = np.asarray(compute_confident_joint(labels, probabilities, calibrate=False), dtype=np.float64)
    with warnings.catch_warnings():
        # A class without photos divides nought by nought; its row is set below.
        warnings.simplefilter("ignore", RuntimeWarning)
        joint = np.asarray(estimate_joint(labels, probabilities, confident_joint=confident), dtype=np.float64)
    joint = np.nan_to_num(joint)
    joint[counts == 0] = 0
    scaled: Floats = joint / joint.sum()
    return scaled


def _shares(labels: Labels, is_wrong: npt.NDArray[np.bool_], classes: int) -> Floats:
    """Share of wrong photos of each label (NaN for none), and of all."""
    counts = np.bincount(labels, minlength=classes)
    wrong = np.bincount(labels[is_wrong], minlength=classes)
    by_class = np.divide(wrong, counts, out=np.full(classes, np.nan), where=counts > 0)
    return np.append(by_class, is_wrong.mean())


def _estimate(name: str, shares: Floats, sampled: Floats, confidence: float) -> ShareEstimate:
    limits = _limits(sampled, confidence)
    every = tuple(_interval(shares[i], limits[:, i]) for i in range(len(shares)))
    return ShareEstimate(name, every[-1], every[:-1], *_WORDS[name])


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


def _off_diagonal(joint: Floats) -> list[tuple[int, int]]:
    """Where the joint is above nought beside its diagonal, the largest share first."""
    off = joint - np.diag(np.diag(joint))
    rows, columns = np.nonzero(off > 0)
    order = np.argsort(-off[rows, columns], kind="stable")
    return list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))
