"""Classes that raw labels do not tell apart, or that mean two things, found without any test label.

Four signs are read from held-out photos and from the search itself, each as a share of the class's photos. What a
class has beyond the median class counts, since noise that all classes share makes no class ambiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from rawlabel.judge.label_evidence.held_out import Floats, HeldOut, Pool

SIBLING_SHARE = 0.5
"""From this share of a class's signs, pointing to one other class, on, the class collapses onto that sibling."""
FLAG_FROM = 0.15
"""Expected damage from which a class is named ambiguous; below, a class of a few dozen photos cannot be told from
chance."""
FEWEST_PHOTOS = 12
"""Below this number of photos with a label their modes are not looked for."""
MOST_PHOTOS = 1000
"""Photos of a class whose modes are looked for; more make the silhouette slow and hardly better."""
COMPONENTS = 5
"""Principal components in which modes are looked for; in more, distances are mostly noise."""
LEAST_BIMODALITY = 0.05
"""Bimodality that any class has; keeps a ratio to the median class from exploding."""


class Signature(StrEnum):
    """How an ambiguous class shows."""

    SIBLING_COLLAPSE = "sibling collapse"
    """Its mass goes to one other class."""
    DIFFUSE_LOSS = "diffuse loss"
    """Its mass spreads, or its photos show two things."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ClassSigns:
    """The signs of one class; all but `second_mode` and `bimodality` are shares of its photos [0 to 1]."""

    class_index: int
    expected_damage: float
    """Share of the class that is expected to be lost beyond what the median class loses."""
    signature: Signature
    sibling: int | None
    """The class with which it is mixed up most; None when nothing is lost."""
    lost: float
    """Held-out photos with this label that are taken for another class."""
    to_sibling: float
    """Part of `lost` that goes to `sibling`."""
    mass_deficit: float
    """How many fewer photos are predicted as this class than are labeled so; negative for an excess."""
    second_mode: float
    """How much more its features fall into two groups than those of the median class [0 to 1], as far as both
    groups are taken for this class."""
    bimodality: float
    """Twice the share of the smaller group, times the silhouette of the two [0 to 1]; 0 where not measured."""
    shared: float
    """Photos that were found for another class as well."""
    photos: int
    """Held-out photos with this label."""


def find_ambiguous_classes(pool: Pool, shared: Floats | None = None) -> list[ClassSigns]:
    """Rank the classes by expected damage, worst first.

    `shared` [classes, classes] counts the photos that were found for both classes of a pair, over the photos found
    for the class of the row (shares; the diagonal is ignored); None where nothing is known. The damage is
    1 - (1 - a)(1 - b)(1 - c), where a is what held-out photos lose to other classes or, if more, the mass deficit;
    b the second mode; c the photos shared with another class; each beyond the median class.
    """
    pooled = pool.mean()
    confusion = _confusion_shares(pooled)
    classes = pooled.num_classes
    lost = confusion.sum(axis=1) - np.diag(confusion)
    counts = pooled.counts()
    predicted = np.bincount(pooled.predicted, minlength=classes)
    deficit = np.where(counts > 0, 1 - predicted / np.maximum(counts, 1), 0.0)
    bimodality, second_mode = _second_modes(pool.runs, 1 - float(np.median(lost)))
    together = np.zeros((classes, classes)) if shared is None else shared - np.diag(np.diag(shared))
    found_twice = np.minimum(together.sum(axis=1), 1)
    confused = np.maximum(_beyond_median(lost), _beyond_median(deficit))
    parts = np.clip([confused, second_mode, _beyond_median(found_twice)], 0, 1)
    damage = 1 - np.prod(1 - parts, axis=0)
    siblings = [_sibling(confusion, together, i) for i in range(classes)]
    to_siblings = np.array([0.0 if j is None else confusion[i, j] for i, j in enumerate(siblings)])
    collapse = np.minimum(np.clip(_beyond_median(to_siblings), 0, 1), parts[0]) + parts[2]
    signs = [
        ClassSigns(
            i,
            float(damage[i]),
            _signature(float(damage[i]), float(collapse[i]), float(parts[:, i].sum())),
            siblings[i],
            float(lost[i]),
            float(to_siblings[i]),
            float(deficit[i]),
            float(second_mode[i]),
            float(bimodality[i]),
            float(found_twice[i]),
            int(counts[i]),
        )
        for i in range(classes)
    ]
    return sorted(signs, key=lambda one: (-one.expected_damage, one.class_index))


def shared_shares(pairs: Sequence[tuple[int, int, int]], found: Sequence[int]) -> Floats:
    """The matrix of `find_ambiguous_classes` from (class, class, photos of both) and the photos of each class."""
    shares = np.zeros((len(found), len(found)))
    for first, second, count in pairs:
        shares[first, second] += count / max(found[first], 1)
        shares[second, first] += count / max(found[second], 1)
    return shares


def _confusion_shares(held_out: HeldOut) -> Floats:
    """Share [label, prediction] of the photos with that label; zeros where there are none."""
    counts = np.zeros((held_out.num_classes, held_out.num_classes))
    np.add.at(counts, (held_out.labels, held_out.predicted), 1)
    totals = counts.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    return shares


def _beyond_median(values: Floats) -> Floats:
    beyond: Floats = values - np.median(values)
    return beyond


def _sibling(confusion: Floats, together: Floats, one: int) -> int | None:
    # Two classes that take photos from each other are siblings even where neither direction leads.
    mutual = confusion[one] + confusion[:, one] + together[one]
    mutual[one] = -1
    other = int(mutual.argmax())
    return other if mutual[other] > 0 else None


def _signature(damage: float, collapse: float, everything: float) -> Signature:
    """`collapse` is the part of all signs that points to one other class."""
    if damage < FLAG_FROM:
        return Signature.NONE
    return Signature.SIBLING_COLLAPSE if collapse >= SIBLING_SHARE * everything else Signature.DIFFUSE_LOSS


def _second_modes(runs: Sequence[HeldOut], usual_agreement: float) -> tuple[Floats, Floats]:
    """Bimodality and second mode of each class, means over the runs, whose features have axes of their own.

    `usual_agreement` is the share of the median class's photos that are taken for their label.
    """
    modes = np.mean([_modes(run) for run in runs], axis=0)
    bimodality = modes[:, 0]
    excess = bimodality / max(float(np.median(bimodality)), LEAST_BIMODALITY) - 1
    # A second group that is taken for other classes is confusion, which is counted already, and no second meaning.
    agreement = np.clip(modes[:, 1] / max(usual_agreement, 1e-9), 0, 1)
    return bimodality, np.clip(excess, 0, 1) * agreement


def _modes(run: HeldOut) -> Floats:
    """For each class: how bimodal its features are, and the share taken for it in the group where that is least.

    [classes, 2]; zeros where there are no features or too few photos.
    """
    modes = np.zeros((run.num_classes, 2))
    if run.features is None:
        return modes
    for one in range(run.num_classes):
        rows = np.flatnonzero(run.labels == one)[:MOST_PHOTOS]
        if len(rows) < FEWEST_PHOTOS:
            continue
        features = run.features[rows]
        components = PCA(min(COMPONENTS, features.shape[1]), random_state=0).fit_transform(features)
        if np.ptp(components, axis=0).max() < 1e-9:
            continue
        groups = KMeans(2, n_init=4, random_state=0).fit_predict(components)
        smaller = min(groups.mean(), 1 - groups.mean())
        agrees = run.predicted[rows] == one
        least = min(agrees[groups == 0].mean(), agrees[groups == 1].mean())
        modes[one] = max(2 * smaller * silhouette_score(components, groups), 0), least
    return modes
