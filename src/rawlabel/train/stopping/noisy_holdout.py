"""Accuracy on held-out raw labels, smoothed, over the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rawlabel.records import EpochRecord
from rawlabel.train.stopping import Selection

WINDOW = 3
"""Epochs in the trailing mean; fewer at the start of a run."""


class NoisyHoldout:
    """Take the epoch with the highest 3-epoch mean accuracy on held-out raw labels, over the full run.

    When label noise is class-conditional and each class's own label is its most frequent one, the classifier
    that is best on noisy labels is best on clean ones (Chen et al., AAAI 2021, arXiv 2012.04193). The rule
    never halts a run: under a step schedule the best epoch follows a learning-rate step.
    """

    needs_holdout: ClassVar[bool] = True

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the first epoch at which the trailing mean is highest."""
        accuracy = np.array([one.holdout_accuracy for one in records], dtype=np.float64)
        means = np.array([accuracy[max(0, i + 1 - WINDOW) : i + 1].mean() for i in range(len(accuracy))])
        best = int(np.argmax(means))
        window = min(WINDOW, best + 1)
        return Selection(
            records[best].epoch, f"highest {window}-epoch mean of raw holdout accuracy, {means[best]:.2f} %"
        )


PLUGIN = NoisyHoldout
