"""Which photos stray from their class together, as those of another thing of the same name do.

A class's middle is moved by any compact group in it, however small, since photos that are all alike point one way
and others do not. So a photo is compared with the photos of its class one by one, and the median counts, to which
a minority is nothing. A single photo may be unusual; a group of them, near each other, is another thing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rawlabel.models.transfer.agreement import Features, Labels, affordable, nearest_neighbors

LIMIT = 1.1
"""Spreads from the class, in the mean over neighbors of one label, from which on photos are another thing."""
NEIGHBORS = 20
"""Nearest photos that are asked whether they stray, too."""
ALONE = -100.0
"""Spreads of a photo that is in no group: so many that it is never suspected."""
_TRUSTED = 0.5
"""Weight from which on a photo stands for its class."""
_MOST_TRUSTED = 2000
"""Photos of a class that others are compared with; of more, every so many."""
_SPREAD_OF_QUARTILES = 1.349
"""Quartiles of a normal distribution are so many standard deviations apart."""

Floats = npt.NDArray[np.float64]


def strays(features: Features, labels: Labels, weights: Floats, num_classes: int) -> Floats:
    """How far photos and those near them stray from their class [photos], in spreads; see `LIMIT`.

    `features` [photos, features] are directions; photos of small `weights` stand for no class.
    """
    nearest = nearest_neighbors(affordable(features), min(NEIGHBORS, len(labels) - 1))
    return strayed_together(nearest, labels, find_strayed(features, labels, weights, num_classes))


def find_strayed(features: Features, labels: Labels, weights: Floats, num_classes: int) -> Floats:
    """By how many spreads each photo is less like the photos of its class than is usual there [photos].

    `features` [photos, features] are directions; photos of small `weights` stand for no class.
    """
    strayed = np.zeros(len(labels))
    for one in range(num_classes):
        rows = np.flatnonzero(labels == one)
        is_trusted = weights[rows] > _TRUSTED
        if not is_trusted.any():
            continue
        trusted = rows[is_trusted]
        step = -(-len(trusted) // _MOST_TRUSTED)
        alike = np.median(features[rows] @ features[trusted[::step]].T, axis=1)
        lower, usual, upper = np.quantile(alike[is_trusted], (0.25, 0.5, 0.75))
        strayed[rows] = (usual - alike) / max((upper - lower) / _SPREAD_OF_QUARTILES, 1e-9)
    return strayed


def strayed_together(nearest: Labels, labels: Labels, strayed: Floats) -> Floats:
    """How far those of the `nearest` photos [photos, neighbors] stray that have a photo's own raw label [photos].

    `ALONE` where fewer than half have it: what stands among photos of other classes is no group of its own.
    """
    is_own = labels[nearest] == labels[:, None]
    counts = is_own.sum(axis=1)
    means = (strayed[nearest] * is_own).sum(axis=1) / np.maximum(counts, 1)
    found: Floats = np.where(2 * counts > nearest.shape[1], means, ALONE)
    return found
