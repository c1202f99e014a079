"""Cross-entropy on held-out raw labels, smoothed, over the whole run."""

from __future__ import annotations

from collections.abc import Sequence

from rawlabel.config.declaring import Section, setting
from rawlabel.records import EpochRecord
from rawlabel.training.stopping_rule import (
    Selection,
    StoppingRule,
    first_highest,
    mean_of,
    newest,
    trailing_means,
    values_of,
)


class NoisyHoldoutLossOptions(Section):
    """Options of the rule."""

    window: int = setting(3, "Epochs in the trailing mean.", ge=1)


class NoisyHoldoutLoss(StoppingRule[NoisyHoldoutLossOptions]):
    """Take the epoch with the lowest 3-epoch mean cross-entropy on held-out raw labels, over the full run.

    Here for comparison, and not to be used with robust methods: they grow confident in what the raw label
    denies, so their loss on raw labels rises while their accuracy does too. The rule never halts a run.
    """

    Options = NoisyHoldoutLossOptions

    @property
    def signals(self) -> tuple[str, ...]:
        """The loss on the raw holdout, whose labels are as noisy as those of training."""
        return ("holdout_loss",)

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the first epoch that ends the best window; before there is a whole one, the newest epoch."""
        window = self.options.window
        means = trailing_means(values_of(records, "holdout_loss"), window)
        best = first_highest(-means)
        if best is None:
            return newest(records, window, "raw holdout loss")
        what = mean_of("raw holdout loss", window)
        return Selection(records[best].epoch, f"lowest {what}, {means[best]:.4f} nats")


PLUGIN = NoisyHoldoutLoss
