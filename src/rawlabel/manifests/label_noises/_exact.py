"""Exact counts: how many labels of each class change, which ones, and to what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from rawlabel.manifests.label_noise import Labels, NoisyLabels


def apportion(rate: float, sizes: Sequence[int]) -> list[int]:
    """How many of each class: `rate` of all in all, rounded once, and each class within one of its own share.

    What rounding down leaves goes to the classes with the largest remainders (Hamilton's method). The rate is
    taken as the decimal that a person wrote, so that 0.29 of 50 is 14.5 and not a little less.
    """
    share = Fraction(repr(rate))
    quotas = [share * size for size in sizes]
    counts = [math.floor(quota) for quota in quotas]
    missing = math.floor(sum(quotas, Fraction(1, 2))) - sum(counts)
    for index in sorted(range(len(quotas)), key=lambda one: counts[one] - quotas[one])[:missing]:
        counts[index] += 1
    return counts


def shuffled(values: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The values [n] in an order that `rng` alone decides, the same on every system."""
    return values[np.argsort(rng.random(len(values)), kind="stable")]


def flip(labels: Labels, targets: Sequence[Sequence[int]], rate: float, rng: np.random.Generator) -> Labels:
    """Labels of which `rate` of each class that has targets became one of them, each as often, up to one.

    `targets[i]` are the classes that labels i may become; a class without targets keeps its labels.
    """
    after = labels.copy()
    sources = [index for index, found in enumerate(targets) if len(found)]
    places = [np.flatnonzero(labels == index) for index in sources]
    for index, mine, count in zip(sources, places, apportion(rate, [len(one) for one in places]), strict=True):
        chosen = shuffled(mine, rng)[:count]
        # The order of the targets is random too, so that none is always the one with one more.
        after[chosen] = np.resize(shuffled(np.array(targets[index], dtype=np.int64), rng), count)
    return after


def relabeled(before: Labels, after: Labels, num_classes: int, description: str) -> NoisyLabels:
    """What noise came to that changed labels alone."""
    return NoisyLabels(
        after, after != before, transition(before, after, num_classes), np.full(len(before), -1), description
    )


def replaced(labels: Labels, replaced_by: Labels, num_classes: int, description: str) -> NoisyLabels:
    """What noise came to that left each label in its place and put another photo under it."""
    return NoisyLabels(labels, replaced_by >= 0, np.eye(num_classes), replaced_by, description)


def transition(before: Labels, after: Labels, num_classes: int) -> npt.NDArray[np.float64]:
    """Share of labels i (row) that became j (column); a class without labels has the row of one that keeps all."""
    pairs = np.bincount(before * num_classes + after, minlength=num_classes**2)
    counts = pairs.reshape(num_classes, num_classes).astype(np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, counts / np.maximum(totals, 1), np.eye(num_classes))
