"""Gradient-weight alignment: how well the images' gradients agree with what the network has become."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rawlabel.config.declaring import Section, setting
from rawlabel.records import EpochRecord
from rawlabel.training.stopping_rule import (
    Selection,
    StoppingRule,
    first_highest,
    newest,
    trailing_means,
    values_of,
)


class GradientWeightAlignmentOptions(Section):
    """Options of the rule."""

    beta: float = setting(1.2, "What is added to the excess kurtosis; 1.2 as published.", ge=0)
    window: int = setting(1, "Epochs in the trailing mean; the published rule has none.", ge=1)


class GradientWeightAlignment(StoppingRule[GradientWeightAlignmentOptions]):
    """Take the epoch with the highest gradient-weight alignment (GWA) of the training images; needs no holdout.

    GWA is the mean over the images of the cosine between the last layer's weights and the descent direction of
    the image's cross-entropy, divided by the excess kurtosis of these cosines plus `beta`. Hölzl et al., NeurIPS
    2025, arXiv 2510.25480, with the last layer alone and the maximum of a run from scratch, as in the authors'
    code. The sum is below 0 for cosines in two heaps, so such an epoch loses to any other. Published for
    adaptive optimizers, not for SGD with learning-rate steps. It never halts a run.
    """

    Options = GradientWeightAlignmentOptions

    @property
    def signals(self) -> tuple[str, ...]:
        """Mean and kurtosis of how far the samples' gradients agree with the mean one.

        No held-out label is read.
        """
        return ("alignment_mean", "alignment_kurtosis")

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the first epoch with the highest value; before there is one, the newest epoch."""
        width = values_of(records, "alignment_kurtosis") + self.options.beta
        width[width == 0] = np.nan
        scores = trailing_means(values_of(records, "alignment_mean") / width, self.options.window)
        best = first_highest(scores)
        if best is None:
            return newest(records, self.options.window, "gradient-weight alignment")
        return Selection(records[best].epoch, f"highest gradient-weight alignment, {scores[best]:.4g}")


PLUGIN = GradientWeightAlignment
