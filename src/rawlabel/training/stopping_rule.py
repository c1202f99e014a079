"""Stopping rules: one file each. A rule sees label-free and raw-label signals only (`EpochRecord`).

A rule is a function of the records so far, so it runs live or on a finished log and needs no state of its
own. To add one, write `<name>.py` with a subclass of `StoppingRule` named by `PLUGIN`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from rawlabel.config.declaring import Section, setting
from rawlabel.records import EpochRecord

Values = npt.NDArray[np.float64]
"""One value a record; NaN where there is none."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The epoch a rule selects (counted from 0), and why, in one phrase."""

    epoch: int
    why: str
    halt: bool = False
    """Whether the rule has seen enough: later records will not move the selection, and training may end."""


class NoOptions(Section):
    """Options of a rule that has none."""


class HaltingOptions(Section):
    """Options of a rule that may end a run."""

    halt: Literal["after_last_decay", "at_once", "never"] = setting(
        "after_last_decay",
        "When the rule may end a run: once the schedule has made its last decay, at any time, or never.",
    )


OptionsType = TypeVar("OptionsType", bound=Section)


class StoppingRule(ABC, Generic[OptionsType]):
    """Base of all rules. A rule has no state besides its options."""

    Options: type[Section] = NoOptions
    """Class of the rule's options, with the published values as defaults where there are any."""

    def __init__(self, options: OptionsType | None = None) -> None:
        """Take the options' defaults when none are given."""
        self.options: Any = self.Options() if options is None else options

    @property
    @abstractmethod
    def signals(self) -> tuple[str, ...]:
        """Fields of `EpochRecord` that the selection depends on, besides `epoch`."""

    @property
    def spare_signals(self) -> tuple[str, ...]:
        """Those of `signals` that the rule does without in a run that has none of them, as of an older version."""
        return ()

    @property
    def needs_holdout(self) -> bool:
        """Whether the rule looks at held-out raw labels, so that some must be held out."""
        return any(name.startswith("holdout") for name in self.signals)

    @abstractmethod
    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select one epoch of those in `records` (at least one, by epoch).

        When a further record arrives, the selection may move to the new epoch or stay where it was: weights
        of other epochs are not kept. After a selection with `halt` it stays.
        """


def values_of(records: Sequence[EpochRecord], signal: str) -> Values:
    """The values of one signal; NaN for those that are missing or infinite."""
    raw = [getattr(one, signal) for one in records]
    values = np.array([np.nan if value is None else value for value in raw], dtype=np.float64)
    values[~np.isfinite(values)] = np.nan
    return values


def trailing_means(values: Values, window: int) -> Values:
    """Mean of each value and the `window` - 1 before it; NaN where the window is not whole or has a gap."""
    means = np.full(len(values), np.nan)
    if len(values) >= window:
        means[window - 1 :] = np.lib.stride_tricks.sliding_window_view(values, window).mean(axis=1)
    return means


def first_highest(scores: Values) -> int | None:
    """Position of the highest score, the first one on a tie; None when there is no score at all."""
    return None if np.isnan(scores).all() else int(np.nanargmax(scores))


def mean_of(signal: str, window: int) -> str:
    """What a rule compares, in words; one epoch's value is no mean."""
    return signal if window == 1 else f"{window}-epoch mean of {signal}"


def newest(records: Sequence[EpochRecord], window: int, what: str) -> Selection:
    """What a rule selects that has no whole window of `what` to compare."""
    if len(records) < window:
        return Selection(records[-1].epoch, f"the newest of fewer than {window} epochs")
    in_a_row = f"{window} epochs in a row with " if window > 1 else ""
    return Selection(records[-1].epoch, f"the newest epoch, for want of {in_a_row}{what}")


def wait_for_higher(
    scores: Values, patience: int, decays_left: Values | None, *, restarts: bool
) -> tuple[int | None, bool]:
    """Go through the epochs until `patience` of them brought no higher score.

    Returns the position of the highest score so far, None when there is none, and whether patience ran out.
    With `decays_left` it can only run out after the last decay, and counts from that decay at the earliest;
    with `restarts`, each decay also starts a new search. Without `decays_left` decays are not heeded.
    """
    best: int | None = None
    since = 0
    for position, score in enumerate(scores):
        decayed = decays_left is not None and position > 0 and decays_left[position] != decays_left[position - 1]
        if decayed:
            since = position
            best = None if restarts else best
        if not np.isnan(score) and (best is None or score > scores[best]):
            best = position
        is_final = decays_left is None or decays_left[position] == 0
        if best is not None and is_final and position - max(best, since) >= patience:
            return best, True
    return best, False
