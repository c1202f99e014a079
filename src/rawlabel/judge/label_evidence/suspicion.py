"""How suspicious the raw label of each photo is; nothing is changed by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.rank import get_label_quality_scores

from rawlabel.errors import DataError
from rawlabel.judge.label_evidence.held_out import Floats, HeldOut, Labels


@dataclass(frozen=True, eq=False)
class Suspicion:
    """For each photo: which class is preferred to its label, and how suspicious the label is [0 to 1]."""

    preferred: Labels
    """Most probable class; the label itself where the networks agree with it."""
    self_confidence: Floats
    """Probability of the label."""
    score: Floats
    """(1 + p(best other class) - p(label)) / 2: 0 when the label is certain, 1 when another class is."""


def held_out_suspicion(held_out: HeldOut) -> Suspicion:
    """Score photos by the normalized margin of their label in out-of-sample predictions.

    Normalized margin after Northcutt et al. (arXiv 1911.00068, section 3.2), by cleanlab
    (`cleanlab.rank.get_label_quality_scores`), turned around.
    """
    quality = get_label_quality_scores(held_out.labels, held_out.probabilities, method="normalized_margin")
    confidence = get_label_quality_scores(held_out.labels, held_out.probabilities, method="self_confidence")
    return Suspicion(held_out.predicted, np.asarray(confidence), 1 - np.asarray(quality))


def training_suspicion(predictions: npt.NDArray[np.int32], labels: Labels) -> Suspicion:
    """Score training photos by how the network took them, epoch after epoch.

    `predictions` [epochs, photos] are the classes that the network gave each photo before it learned from it in
    that epoch, -1 for none. The score is the share of epochs that contradict the label, and the preferred class
    the most frequent prediction. Correct labels are agreed with earlier and more steadily (Toneva et al., "An
    empirical study of example forgetting", arXiv 1812.05159); epochs after the start of memorizing tell nothing,
    so hand in those up to the selected one. Raises `DataError` when there is no epoch.
    """
    if predictions.ndim != 2 or predictions.shape[1:] != labels.shape or not len(predictions):
        raise DataError("training predictions: should be one row an epoch of these photos; repeat the run")
    seen = (predictions >= 0).sum(axis=0)
    agreed = (predictions == labels).sum(axis=0)
    most = np.zeros(len(labels), dtype=np.int64)
    preferred = labels.copy()
    for one in range(int(max(predictions.max(), labels.max())) + 1):
        count = (predictions == one).sum(axis=0)
        # On a tie the label stands: suspicion needs a majority.
        better = (count > most) | ((count == most) & (count > 0) & (labels == one))
        most[better], preferred[better] = count[better], one
    confidence = np.divide(agreed, seen, out=np.full(len(labels), np.nan), where=seen > 0)
    return Suspicion(preferred, confidence, 1 - confidence)
