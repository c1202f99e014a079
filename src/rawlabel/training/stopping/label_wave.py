"""Label Wave: stop where the predictions for the training images change least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rawlabel.config.declaring import setting
from rawlabel.records import EpochRecord
from rawlabel.training.stopping_rule import (
    HaltingOptions,
    Selection,
    StoppingRule,
    newest,
    trailing_means,
    values_of,
    wait_for_higher,
)


class LabelWaveOptions(HaltingOptions):
    """Options of the rule."""

    window: int = setting(3, "Epochs in the trailing mean; 3 as published.", ge=1)
    patience: int = setting(5, "Epochs without a lower mean that end the search; the paper states none.", ge=1)


class LabelWave(StoppingRule[LabelWaveOptions]):
    """Take the first local minimum of the number of training predictions that changed; needs no holdout.

    The share of training images whose prediction differs from the epoch before falls while the network learns
    what its labels have in common, and rises when it begins to fit wrong ones. Yuan et al., ICLR 2024, arXiv
    2502.07551: trailing mean of 3 epochs, at a constant learning rate of 0.01, on predictions of the training
    pass. Under a schedule each decay lowers the number of changes by itself, so the search starts anew
    at a decay and can only end after the last one, unless `halt=at_once` asks for the published rule as it is.
    """

    Options = LabelWaveOptions

    @property
    def signals(self) -> tuple[str, ...]:
        """Changed predictions and, where decays are heeded, how many are to come."""
        changed = "changed_predictions"
        return (changed,) if self.options.halt == "at_once" else (changed, "decays_left")

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the lowest mean of the search so far; before there is a whole one, the newest epoch."""
        options = self.options
        changed = values_of(records, "changed_predictions")
        if options.halt == "at_once":
            means, decays_left = trailing_means(changed, options.window), None
        else:
            decays_left = np.nan_to_num(values_of(records, "decays_left"), nan=-1)
            starts = np.flatnonzero(np.diff(decays_left)) + 1
            parts = np.split(changed, starts)
            means = np.concatenate([trailing_means(part, options.window) for part in parts])
        patience = options.patience if options.halt != "never" else len(records)
        best, has_ended = wait_for_higher(-means, patience, decays_left, restarts=True)
        if best is None:
            return newest(records, options.window, "changed predictions at one learning rate")
        why = f"lowest {options.window}-epoch mean of changed training predictions, {means[best]:.2f} %"
        if has_ended:
            why += f", and {options.patience} epochs without a lower one"
        return Selection(records[best].epoch, why, halt=has_ended)


PLUGIN = LabelWave
