"""Accuracy on held-out raw labels, smoothed, over the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from rawlabel.config.declaring import Section, setting
from rawlabel.records import EpochRecord
from rawlabel.train.stopping import Selection, StoppingRule, first_highest, newest, trailing_means, values_of


class NoisyHoldoutOptions(Section):
    """Options of the rule."""

    window: int = setting(3, "Epochs in the trailing mean.", ge=1)


class NoisyHoldout(StoppingRule[NoisyHoldoutOptions]):
    """Take the epoch with the highest 3-epoch mean accuracy on held-out raw labels, over the full run.

    When label noise is class-conditional and each class's own label is its most frequent one, the classifier
    that is best on noisy labels is best on clean ones (Chen et al., AAAI 2021, arXiv 2012.04193). The rule
    never halts a run: under a step schedule the best epoch follows a learning-rate step.
    """

    Options = NoisyHoldoutOptions

    @property
    def signals(self) -> tuple[str, ...]:
        """Held-out accuracy."""
        return ("holdout_accuracy",)

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the first epoch that ends the best window; before there is a whole one, the newest epoch."""
        window = self.options.window
        means = trailing_means(values_of(records, "holdout_accuracy"), window)
        best = first_highest(means)
        if best is None:
            return newest(records, window, "raw holdout accuracy")
        return Selection(
            records[best].epoch, f"highest {window}-epoch mean of raw holdout accuracy, {means[best]:.2f} %"
        )


PLUGIN = NoisyHoldout
