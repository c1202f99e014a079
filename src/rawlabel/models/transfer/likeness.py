"""How much photos look like the classes: cosines with the middle of each, of features and raw labels alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


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
    cosines: Floats = (features @ sums.T) / np.where(lengths > 0, lengths, 1)
    others = sums[labels] - features * weights[:, None]
    length = np.linalg.norm(others, axis=1)
    cosines[np.arange(len(labels)), labels] = np.einsum("ij,ij->i", features, others) / np.where(
        length > 0, length, 1
    )
    return cosines


def _sums(features: npt.NDArray[np.float32], labels: Labels, weights: Floats, num_classes: int) -> Floats:
    sums = np.zeros((num_classes, features.shape[1]))
    np.add.at(sums, labels, features * weights[:, None])
    return sums
