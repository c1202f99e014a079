"""Many linear heads on the same features at once, far sooner than one after the other.

All are fitted by steps that minimise a bound of the loss, whose curvature is at most half of the features' in each
direction (Böhning, Annals of the Institute of Statistical Mathematics 44, 1992), in the features' principal axes
and with Nesterov's momentum, which starts again where it leads uphill (O'Donoghue and Candès, 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from rawlabel.models.transfer.agreement import Features, Labels

Floats = npt.NDArray[np.float32]
STEPS = 50
MOST_NUMBERS = 2**25
"""Probabilities held in memory at a time."""


@dataclass(frozen=True, eq=False)
class Axes:
    """Features in their principal axes, the first ones alone."""

    features: Floats
    """[photos, axes]."""
    variances: Floats
    """[axes]."""


@dataclass(frozen=True, eq=False)
class Heads:
    """What heads are fitted to and how, one column or entry a head."""

    weights: npt.NDArray[np.float64]
    """What each photo counts [photos, heads]; brought to the sum of 1."""
    decays: npt.NDArray[np.float64]
    """Weight of half the squared length of a head's weights, beside the mean loss [heads]."""
    exponents: npt.NDArray[np.float64]
    """q of generalized cross-entropy, 0 for cross-entropy [heads]."""


def principal_axes(features: Features, most: int) -> Axes:
    """At most so many axes of centred `features` [photos, features], with the largest variances."""
    count = features.shape[1]
    # The largest alone take a third of the time of all, where encoders stand side by side.
    variances, axes = eigh(
        features.T @ features / np.float32(len(features)), subset_by_index=(max(0, count - most), count - 1)
    )
    return Axes(features @ axes[:, ::-1], np.maximum(variances[::-1], 1e-9).astype(np.float32))


def fitted(axes: Axes, labels: Labels, num_classes: int, heads: Heads) -> npt.NDArray[np.float32]:
    """What each of `heads` says of all photos, as probabilities [photos, heads, classes]."""
    size = max(1, MOST_NUMBERS // (len(labels) * num_classes))
    said = np.empty((len(labels), len(heads.decays), num_classes), dtype=np.float32)
    for start in range(0, len(heads.decays), size):
        part = slice(start, start + size)
        own = Heads(heads.weights[:, part], heads.decays[part], heads.exponents[part])
        said[:, part] = _fitted(axes, labels, num_classes, own)
    return said


def _fitted(axes: Axes, labels: Labels, num_classes: int, heads: Heads) -> Floats:
    """As `fitted`. Inside, heads come last: NumPy is slow along the few classes, were these last."""
    sums = np.maximum(heads.weights.sum(axis=0), 1e-12)
    weights, decays = (heads.weights / sums).astype(np.float32), heads.decays.astype(np.float32)
    exponents, rows = heads.exponents.astype(np.float32), np.arange(len(labels))
    is_robust = bool(exponents.any())
    shape = (axes.features.shape[1], num_classes, len(decays))
    matrix: Floats = np.zeros(shape, dtype=np.float32)
    offset: Floats = np.zeros(shape[1:], dtype=np.float32)
    ahead, offset_ahead, time = matrix, offset, 1.0
    rates: Floats = (1 / (axes.variances[:, None] / 2 + decays))[:, None, :].astype(np.float32)
    for _ in range(STEPS):
        said = _said(axes.features, ahead, offset_ahead)
        counts = weights * said[rows, labels] ** exponents if is_robust else weights
        said[rows, labels] -= 1
        said *= counts[:, None, :]
        slope: Floats = (axes.features.T @ said.reshape(len(labels), -1)).reshape(shape) + decays * ahead
        next_matrix: Floats = ahead - rates * slope
        next_offset: Floats = offset_ahead - 2 * said.sum(axis=0)
        is_uphill = (slope * (next_matrix - matrix)).sum(axis=(0, 1)) > 0
        next_time = (1 + (1 + 4 * time**2) ** 0.5) / 2
        momentum: Floats = np.where(is_uphill, 0, (time - 1) / next_time).astype(np.float32)
        ahead = next_matrix + momentum * (next_matrix - matrix)
        offset_ahead = next_offset + momentum * (next_offset - offset)
        matrix, offset, time = next_matrix, next_offset, next_time
    return _said(axes.features, matrix, offset).transpose(0, 2, 1)


def _said(features: Floats, matrix: Floats, offset: Floats) -> Floats:
    """Probabilities [photos, classes, heads]."""
    logits = (features @ matrix.reshape(len(matrix), -1)).reshape(len(features), *offset.shape)
    logits += offset
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    said: Floats = logits
    return said
