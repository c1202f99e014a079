"""What classifiers on features are fitted to, and how one of several settings is chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
"""[images, features]."""
Labels = npt.NDArray[np.int64]
"""[images], class indices."""


@dataclass(frozen=True, eq=False)
class LabeledFeatures:
    """Features of images with their raw labels."""

    features: Features
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Choice:
    """A fitted classifier, and how its setting was chosen on the raw holdout."""

    setting: float
    """The value chosen."""
    tried: tuple[tuple[float, float], ...]
    """Each value, and its accuracy on the raw holdout [percent]."""
    predict: Callable[[Features], Labels]
    """Classes of other images, by their features."""

    @property
    def raw_holdout_accuracy(self) -> float:
        """Accuracy of the chosen setting on the raw holdout [percent]; as the best of several it flatters."""
        return dict(self.tried)[self.setting]


def accuracy(predicted: Labels, labels: Labels) -> float:
    """Share [percent] of `predicted` [n] that equals `labels` [n]; both hold class indices."""
    return 100 * float((predicted == labels).mean())
