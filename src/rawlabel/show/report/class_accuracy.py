"""Test accuracy of each class with its exact interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rawlabel.base.metrics import clopper_pearson
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence

MOST_DESTINATIONS = 3


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """One class; accuracy and limits in percent."""

    label: str
    correct: int
    trials: int
    accuracy: float
    lower: float
    upper: float
    taken_for: list[tuple[str, int]]
    """Where its errors go, most frequent first: class and test photos."""


@dataclass(frozen=True, slots=True)
class ClassAccuracies:
    """All classes with a test image, best first."""

    rows: list[ClassAccuracy]
    mean: float
    """Mean over the classes [percent]."""
    confidence: float
    """Of the intervals [percent]."""
    untested: list[str]


def measure_classes(collection: CollectionEvidence, run: RunEvidence) -> ClassAccuracies | None:
    """Read each class off the diagonal of the confusion matrix; None when the run is not evaluated."""
    if run.matrix is None or run.measurement is None or not run.matrix.any():
        return None
    correct, trials = run.matrix.diagonal(), run.matrix.sum(axis=1)
    lower, upper = clopper_pearson(correct, trials, run.measurement.confidence)
    accuracy = 100 * correct / np.maximum(trials, 1)
    tested = [i for i in range(len(trials)) if trials[i] > 0]
    order = sorted(tested, key=lambda i: (-accuracy[i], run.class_ids[i]))
    rows = [
        ClassAccuracy(
            collection.label(run.class_ids[i]),
            int(correct[i]),
            int(trials[i]),
            float(accuracy[i]),
            100 * float(lower[i]),
            100 * float(upper[i]),
            [(collection.label(run.class_ids[j]), n) for j, n in _destinations(run.matrix[i], i)],
        )
        for i in order
    ]
    untested = [collection.label(run.class_ids[i]) for i in range(len(trials)) if trials[i] == 0]
    return ClassAccuracies(rows, float(accuracy[tested].mean()), 100 * run.measurement.confidence, untested)


def _destinations(row: NDArray[np.int64], own: int) -> list[tuple[int, int]]:
    """The three classes that most photos of class `own` were taken for, with their numbers."""
    order = sorted((j for j in np.flatnonzero(row).tolist() if j != own), key=lambda j: (-int(row[j]), j))
    return [(j, int(row[j])) for j in order[:MOST_DESTINATIONS]]
