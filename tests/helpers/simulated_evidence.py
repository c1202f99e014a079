"""Held-out predictions of networks that are right as often as a test says, on labels that it makes wrong."""

from __future__ import annotations

import numpy as np

from rawlabel.judge.label_evidence.held_out import HeldOut

CLASSES = ("ant", "bee", "cat", "dog")


def predict(
    true: np.ndarray, accuracy: float, rng: np.random.Generator, classes: int = len(CLASSES)
) -> np.ndarray:
    """Probabilities of a network that is the surer, the likelier it is right."""
    sure = rng.random(len(true))
    is_right = rng.random(len(true)) < accuracy + (1 - accuracy) * (2 * sure - 1)
    shift = rng.integers(1, classes, len(true))
    best = np.where(is_right, true, (true + shift) % classes)
    top = 1 / classes + (1 - 1 / classes) * (0.3 + 0.69 * sure)
    probabilities = np.repeat(((1 - top) / (classes - 1))[:, None], classes, axis=1)
    probabilities[np.arange(len(true)), best] = top
    return probabilities


def held_out(
    labels: np.ndarray, probabilities: np.ndarray, features: np.ndarray | None = None, prefix: str = "photo"
) -> HeldOut:
    """Photos called by their numbers."""
    photos = tuple(f"{prefix}-{i}" for i in range(len(labels)))
    return HeldOut(CLASSES, photos, labels.astype(np.int64), probabilities, features)


def flip(true: np.ndarray, share: float, rng: np.random.Generator, classes: int = len(CLASSES)) -> np.ndarray:
    """Labels of which this share is wrong, spread over the other classes."""
    wrong = rng.random(len(true)) < share
    return np.where(wrong, (true + rng.integers(1, classes, len(true))) % classes, true)
