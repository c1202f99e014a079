"""Accuracy on held-out raw labels, smoothed, over the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rawlabel.records import EpochRecord
from rawlabel.train.stopping import Selection

WINDOW = 3
"""Epochs in the trailing mean."""


class NoisyHoldout:
    """Take the epoch with the highest 3-epoch mean accuracy on held-out raw labels, over the full run.

    When label noise is class-conditional and each class's own label is its most frequent one, the classifier
    that is best on noisy labels is best on clean ones (Chen et al., AAAI 2021, arXiv 2012.04193). The rule
    never halts a run: under a step schedule the best epoch follows a learning-rate step.
    """

    needs_holdout: ClassVar[bool] = True

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the first epoch that ends the best window; before there is a whole one, the newest epoch."""
        accuracy = np.array([one.holdout_accuracy for one in records], dtype=np.float64)
        if len(accuracy) < WINDOW:
            return Selection(records[-1].epoch, f"the newest of fewer than {WINDOW} epochs")
        means = np.lib.stride_tricks.sliding_window_view(accuracy, WINDOW).mean(axis=1)
        best = int(np.argmax(means))
        return Selection(
            records[best + WINDOW - 1].epoch,
            f"highest {WINDOW}-epoch mean of raw holdout accuracy, {means[best]:.2f} %",
        )


PLUGIN = NoisyHoldout
