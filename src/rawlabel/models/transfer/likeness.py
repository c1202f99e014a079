"""How much photos look like the classes: cosines with the middle of each, of features and raw labels alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CORE = 0.7
"""Share of a class, by weight, that is taken for its core: its middle is of the photos nearest to it."""
_ROUNDS = 6
_NONE = 1e-5
"""Length below which nothing is left of a class."""

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Cores:
    """The classes without what strays from them, such as photos of another thing of the same name."""

    middles: Floats
    """Direction of each core [classes, features]."""
    cosines: Floats
    """Of each photo with each middle [photos, classes], its own part left out."""
    usual: Floats
    """The median cosine of a core's photos with its middle [classes]; NaN for a class without photos."""
    spread: Floats
    """The standard deviation of these [classes]."""

    def strayed(self, labels: Labels) -> Floats:
        """By how many spreads each photo's cosine is below what is usual in its class [photos]."""
        own = self.cosines[np.arange(len(labels)), labels]
        below: Floats = (self.usual[labels] - own) / np.maximum(self.spread[labels], 1e-9)
        return below


def find_cores(features: npt.NDArray[np.float32], labels: Labels, weights: Floats, num_classes: int) -> Cores:
    """Find the cores of the classes: the photos nearest to the middle, whose middle is taken anew, some times.

    `features` [photos, features] are directions; photos count as their `weights` say.
    """
    counted, rows = weights, np.arange(len(labels))
    is_core = np.zeros(len(labels), dtype=bool)
    for _ in range(_ROUNDS):
        cosines = own_likeness(features, labels, counted, num_classes)
        is_core = _nearest_share(cosines[rows, labels], labels, weights, num_classes)
        counted = weights * is_core
    usual, spread = np.full(num_classes, np.nan), np.full(num_classes, np.nan)
    for one in range(num_classes):
        own = cosines[is_core & (labels == one), one]
        if len(own):
            usual[one], spread[one] = np.median(own), own.std()
    return Cores(class_middles(features, labels, counted, num_classes), cosines, usual, spread)


def _nearest_share(own: Floats, labels: Labels, weights: Floats, num_classes: int) -> npt.NDArray[np.bool_]:
    """Which photos are in the nearest `CORE` of their class; at least the nearest one is."""
    found = np.zeros(len(labels), dtype=bool)
    for one in range(num_classes):
        rows = np.flatnonzero(labels == one)
        order = rows[np.argsort(-own[rows], kind="stable")]
        reached = np.cumsum(weights[order]) / max(float(weights[rows].sum()), 1e-12)
        found[order[: max(1, int((reached <= CORE).sum()))]] = True
    return found


def class_middles(features: npt.NDArray[np.float32], labels: Labels, weights: Floats, num_classes: int) -> Floats:
    """The middle of each class [classes, features] at length 1, its photos counting as their `weights` say.

    `features` [photos, features] are directions: of length 1. A class without photos has zeros.
    """
    sums = _sums(features, labels, weights, num_classes)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    middles: Floats = sums / np.where(lengths > 0, lengths, 1)
    return middles


def own_likeness(features: npt.NDArray[np.float32], labels: Labels, weights: Floats, num_classes: int) -> Floats:
    """Cosine of each photo with the middle of each class [photos, classes], to which it adds nothing itself."""
    sums = _sums(features, labels, weights, num_classes)
    lengths = np.linalg.norm(sums, axis=1)
    rows, products = np.arange(len(labels)), features @ sums.T
    cosines: Floats = products / np.where(lengths > 0, lengths, 1)
    # What is left of a class without the photo itself: by its length, without a second array of all features.
    squares = np.einsum("ij,ij->i", features, features, dtype=np.float64)
    own = products[rows, labels]
    others = lengths[labels] ** 2 - 2 * weights * own + weights**2 * squares
    length = np.sqrt(np.maximum(others, 0))
    cosines[rows, labels] = (own - weights * squares) / np.where(length > _NONE, length, np.inf)
    return cosines


def _sums(features: npt.NDArray[np.float32], labels: Labels, weights: Floats, num_classes: int) -> Floats:
    sums = np.zeros((num_classes, features.shape[1]))
    for one in range(num_classes):
        rows = np.flatnonzero(labels == one)
        sums[one] = weights[rows] @ features[rows]
    return sums
