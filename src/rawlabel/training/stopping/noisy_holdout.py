"""Accuracy on held-out raw labels, over the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rawlabel.config.declaring import Section, setting
from rawlabel.records import EpochRecord
from rawlabel.training.stopping_rule import (
    Selection,
    StoppingRule,
    Values,
    first_highest,
    mean_of,
    newest,
    trailing_means,
    values_of,
)

UNEVEN = 2.0
"""Times the smallest class's images that the largest has, above which classes count the same."""
_ROUNDED = 1e-4
"""More than what a log rounds off accuracies [points]."""


class NoisyHoldoutOptions(Section):
    """Options of the rule."""

    window: int = setting(1, "Epochs in the trailing mean; more steady the choice and delay it.", ge=1)
    early: float | None = setting(
        None,
        "Points by which the mean of the first epochs must be above every whole window for one of them to be "
        "taken; without it, none is taken before the first window is whole.",
        ge=0,
    )
    shorter: float | None = setting(
        None,
        "As early, but the points fall as the mean gets longer, which makes it surer: as many times these as the "
        "root of window / length is above 1.",
        ge=0,
    )
    band: float | None = setting(
        None,
        "Standard errors of the accuracy, each of one held-out photo at least, by which the highest mean must be "
        "above the last epoch's of a whole run, or else that one is taken; without it, any lead will do.",
        ge=0,
    )
    balanced: Literal["auto", "always", "never"] = setting(
        "auto",
        "Whether every class counts the same, however few of its photos are held out; auto: where one class has "
        "more than twice the training images of another.",
    )


class NoisyHoldout(StoppingRule[NoisyHoldoutOptions]):
    """Take the epoch with the highest accuracy on held-out raw labels, over the full run.

    When label noise is class-conditional and each class's own label is its most frequent one, the classifier
    that is best on noisy labels is best on clean ones (Chen et al., AAAI 2021, arXiv 2012.04193). The rule
    never halts a run: under a step schedule the best epoch follows a learning-rate step. Where classes differ
    much in size, an epoch that forgets the small ones would hardly look worse, so each class counts the same.
    """

    Options = NoisyHoldoutOptions

    @property
    def signals(self) -> tuple[str, ...]:
        """The accuracy on the raw holdout, as noisy as training, of all photos alike or all classes alike."""
        plain, balanced = ("holdout_accuracy",), ("holdout_balanced_accuracy",)
        by_option = {"never": plain, "always": balanced, "auto": plain}
        return (*by_option[self.options.balanced], *self.spare_signals)

    @property
    def spare_signals(self) -> tuple[str, ...]:
        """Those about classes, without which all photos count alike, and those that `band` needs."""
        classes = ("holdout_balanced_accuracy", "class_size_ratio") if self.options.balanced == "auto" else ()
        return classes if self.options.band is None else (*classes, "holdout_images", "epochs_left")

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the first epoch that ends the best window; before there is a whole one, the newest epoch.

        With `early`, the first epochs have windows from the first epoch on, which are shorter and so less sure.
        With `band`, the last epoch of a whole run is selected unless the best one is ahead of it beyond chance.
        """
        window, is_balanced = self.options.window, self._is_balanced(records[0])
        signal = "holdout_balanced_accuracy" if is_balanced else "holdout_accuracy"
        what = f"{'class-balanced ' if is_balanced else ''}raw holdout accuracy"
        values = values_of(records, signal)
        means = trailing_means(values, window)
        scores = means - self._handicaps(values, means)
        best = first_highest(scores)
        if best is None:
            return newest(records, window, what)
        if (found := self._last_of_a_whole_run(records, scores)) is not None:
            last, below = found
            why = f"last epoch, whose {mean_of(what, min(window, last + 1))}, {means[last]:.2f} %, is "
            lead = f"{below:.2f} points below the highest, within chance"
            return Selection(records[last].epoch, why + (lead if below else "as high as any before"))
        why = f"highest {mean_of(what, min(window, best + 1))}, {means[best]:.2f} %"
        return Selection(records[best].epoch, why)

    def _last_of_a_whole_run(self, records: Sequence[EpochRecord], scores: Values) -> tuple[int, float] | None:
        """Position of a run's last epoch, and how far below the highest it is, if by no more than chance [points].

        A run that goes on for more epochs keeps it until one of them is higher than all before.
        """
        found, highest = None, -np.inf
        for position, (record, score) in enumerate(zip(records, scores, strict=True)):
            if score > highest:
                found, highest = None, score
            elif self.options.band is not None and record.epochs_left == 0 and record.holdout_images:
                share = min(max(highest / 100, 0), 1)
                # Where all of few are right the error is none by the formula, and one photo would be a lead.
                photo = 100 / record.holdout_images + _ROUNDED
                error = max(photo, 100 * (share * (1 - share) / record.holdout_images) ** 0.5)
                found = (position, highest - score) if highest - score <= self.options.band * error else found
        return found

    def _handicaps(self, values: Values, means: Values) -> Values:
        """What each epoch's mean must be above others' by [points]; fills `means` of the first epochs."""
        handicaps = np.zeros(len(means))
        if self.options.early is not None or self.options.shorter is not None:
            first = min(self.options.window - 1, len(means))
            lengths = np.arange(1, first + 1)
            means[:first] = np.cumsum(values[:first]) / lengths
            surer = (self.options.window / lengths) ** 0.5 - 1
            handicaps[:first] = (self.options.early or 0) + (self.options.shorter or 0) * surer
        return handicaps

    def _is_balanced(self, first: EpochRecord) -> bool:
        """By the first record alone, so that a later one cannot move the selection to an epoch of before."""
        if self.options.balanced == "auto":
            return first.class_size_ratio is not None and first.class_size_ratio > UNEVEN
        return bool(self.options.balanced == "always")


PLUGIN = NoisyHoldout
