"""Patience: end the run when a held-out signal has not improved for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rawlabel.config.declaring import setting
from rawlabel.records import EpochRecord
from rawlabel.training.stopping_rule import (
    HaltingOptions,
    Selection,
    StoppingRule,
    mean_of,
    newest,
    trailing_means,
    values_of,
    wait_for_higher,
)


class PatienceOptions(HaltingOptions):
    """Options of the rule."""

    signal: Literal["holdout_accuracy", "holdout_balanced_accuracy", "holdout_loss"] = setting(
        "holdout_accuracy",
        "What should improve on held-out raw labels: accuracy, its mean over the classes, or cross-entropy.",
    )
    patience: int = setting(10, "Epochs without an improvement that end the run.", ge=1)
    window: int = setting(1, "Epochs in the trailing mean.", ge=1)


class Patience(StoppingRule[PatienceOptions]):
    """Take the best epoch so far on held-out raw labels, and end the run when it stays the best for a while.

    The common early stopping (Prechelt, "Early stopping - but when?", 1998). It ends no run before the last
    learning-rate decay, and counts from there: before a decay every curve is flat, and the best epoch
    follows one. `halt=at_once` asks for the common rule as it is.
    """

    Options = PatienceOptions

    @property
    def signals(self) -> tuple[str, ...]:
        """The chosen held-out signal and, where decays are heeded, how many are to come."""
        chosen = str(self.options.signal)
        return (chosen, "decays_left") if self.options.halt == "after_last_decay" else (chosen,)

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the best window so far, or the best one before patience ran out."""
        options = self.options
        is_loss = options.signal == "holdout_loss"
        means = trailing_means(values_of(records, options.signal), options.window)
        decays_left = None
        if options.halt == "after_last_decay":
            decays_left = np.nan_to_num(values_of(records, "decays_left"), nan=-1)
        patience = options.patience if options.halt != "never" else len(records)
        best, has_ended = wait_for_higher(-means if is_loss else means, patience, decays_left, restarts=False)
        balanced = "class-balanced " if options.signal == "holdout_balanced_accuracy" else ""
        what = f"{balanced}raw holdout {'loss' if is_loss else 'accuracy'}"
        if best is None:
            return newest(records, options.window, what)
        value = f"{means[best]:.4f} nats" if is_loss else f"{means[best]:.2f} %"
        why = f"{'lowest' if is_loss else 'highest'} {mean_of(what, options.window)} so far, {value}"
        if has_ended:
            why += f", and {options.patience} epochs without a better one"
        return Selection(records[best].epoch, why, halt=has_ended)


PLUGIN = Patience
