"""Accuracy on held-out raw labels, over the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from rawlabel.config.declaring import Section, setting
from rawlabel.records import EpochRecord
from rawlabel.train.stopping_rule import (
    Selection,
    StoppingRule,
    first_highest,
    mean_of,
    newest,
    trailing_means,
    values_of,
)


class NoisyHoldoutOptions(Section):
    """Options of the rule."""

    window: int = setting(1, "Epochs in the trailing mean; more steady the choice and delay it.", ge=1)


class NoisyHoldout(StoppingRule[NoisyHoldoutOptions]):
    """Take the epoch with the highest accuracy on held-out raw labels, over the full run.

    When label noise is class-conditional and each class's own label is its most frequent one, the classifier
    that is best on noisy labels is best on clean ones (Chen et al., AAAI 2021, arXiv 2012.04193). The rule
    never halts a run: under a step schedule the best epoch follows a learning-rate step.
    """

    Options = NoisyHoldoutOptions

    @property
    def signals(self) -> tuple[str, ...]:
        """The accuracy on the raw holdout, whose labels are as noisy as those of training."""
        return ("holdout_accuracy",)

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the first epoch that ends the best window; before there is a whole one, the newest epoch."""
        window = self.options.window
        means = trailing_means(values_of(records, "holdout_accuracy"), window)
        best = first_highest(means)
        if best is None:
            return newest(records, window, "raw holdout accuracy")
        what = mean_of("raw holdout accuracy", window)
        return Selection(records[best].epoch, f"highest {what}, {means[best]:.2f} %")


PLUGIN = NoisyHoldout
