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
from sklearn.metrics import silhouette_score

from rawlabel.label_evidence.held_out import Floats, HeldOut, Pool

SIBLING_SHARE = 0.5
"""From this share of what a class loses, going to one other class, on, the class collapses onto that sibling."""
FLAG_FROM = 0.15
"""Expected damage from which a class is named ambiguous; below, a class of a few dozen photos cannot be told from
chance."""
FEWEST_PHOTOS = 12
"""Below this number of photos that agree with a label their modes are not looked for."""
MOST_PHOTOS = 1000
"""Photos of a class whose modes are looked for; more make the silhouette slow and hardly better."""


class Signature(StrEnum):
    """How an ambiguous class shows."""

    SIBLING_COLLAPSE = "sibling collapse"
    """Its mass goes to one other class."""
    DIFFUSE_LOSS = "diffuse loss"
    """Its mass spreads, or its photos show two things."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ClassSigns:
    """The signs of one class; all but `separation` are shares of its photos [0 to 1]."""

    class_index: int
    expected_damage: float
    """Share of the class that is expected to be lost beyond what the median class loses."""
    signature: Signature
    sibling: int | None
    """The class to which most of the lost mass goes; None when nothing is lost."""
    lost: float
    """Held-out photos with this label that are taken for another class."""
    to_sibling: float
    """Part of `lost` that goes to `sibling`."""
    mass_deficit: float
    """How many fewer photos are predicted as this class than are labeled so; negative for an excess."""
    second_mode: float
    """Photos of the smaller of two groups in feature space, as far as the groups are apart."""
    separation: float
    """Silhouette of these two groups [-1 to 1]; 0 where not measured."""
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
    modes = np.nanmean([_modes(run) for run in pool.runs], axis=0)
    together = np.zeros((classes, classes)) if shared is None else shared - np.diag(np.diag(shared))
    found_twice = np.minimum(together.sum(axis=1), 1)
    second_mode = modes[:, 0] * np.clip(_beyond_median(modes[:, 1]), 0, None)
    parts = [np.maximum(_beyond_median(lost), _beyond_median(deficit)), second_mode, _beyond_median(found_twice)]
    damage = 1 - np.prod([1 - np.clip(part, 0, 1) for part in parts], axis=0)
    signs = []
    for i in range(classes):
        sibling, to_sibling = _sibling(confusion, together, i)
        signs.append(
            ClassSigns(
                i,
                float(damage[i]),
                _signature(float(damage[i]), to_sibling, float(lost[i]), parts, i),
                sibling,
                float(lost[i]),
                to_sibling,
                float(deficit[i]),
                float(second_mode[i]),
                float(modes[i, 1]),
                float(found_twice[i]),
                int(counts[i]),
            )
        )
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


def _sibling(confusion: Floats, together: Floats, one: int) -> tuple[int | None, float]:
    # Two classes that take photos from each other are siblings even where neither direction leads.
    mutual = confusion[one] + confusion[:, one] + together[one]
    mutual[one] = -1
    other = int(mutual.argmax())
    return (other, float(confusion[one, other])) if mutual[other] > 0 else (None, 0.0)


def _signature(damage: float, to_sibling: float, lost: float, parts: Sequence[Floats], one: int) -> Signature:
    if damage < FLAG_FROM:
        return Signature.NONE
    confused, second_mode, shared = (float(part[one]) for part in parts)
    goes_to_one = lost > 0 and to_sibling >= SIBLING_SHARE * lost
    if second_mode > max(confused, shared) or not (goes_to_one or shared > max(confused, second_mode)):
        return Signature.DIFFUSE_LOSS
    return Signature.SIBLING_COLLAPSE


def _modes(run: HeldOut) -> Floats:
    """For each class: twice the share of the smaller of two groups of features, and the groups' silhouette.

    Only photos that are taken for their label are looked at: a wrong label that the network sees through is no
    second meaning. [classes, 2]; zeros where there are no features or too few photos.
    """
    modes = np.zeros((run.num_classes, 2))
    if run.features is None:
        return modes
    for one in range(run.num_classes):
        features = run.features[(run.labels == one) & (run.predicted == one)][:MOST_PHOTOS]
        if len(features) < FEWEST_PHOTOS or np.allclose(features, features[0]):
            continue
        groups = KMeans(2, n_init=4, random_state=0).fit_predict(features)
        smaller = min(groups.mean(), 1 - groups.mean())
        if smaller > 0:
            modes[one] = 2 * smaller, silhouette_score(features, groups)
    return modes
