"""Stopping rules: one file each. A rule sees label-free and raw-label signals only (`EpochRecord`).

A rule is a function of the records so far, so it runs live or on a finished log and needs no state of its
own. To add one, write `<name>.py` with a class named by `PLUGIN`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from rawlabel.records import EpochRecord


@dataclass(frozen=True, slots=True)
class Selection:
    """The epoch a rule selects (counted from 0), and why, in one phrase."""

    epoch: int
    why: str


class StoppingRule(Protocol):
    """What a stopping rule must offer."""

    needs_holdout: ClassVar[bool]
    """Whether the rule looks at held-out raw labels, so that some must be held out."""

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select one epoch of those in `records` (at least one, by epoch).

        When a further record arrives, the selection may move to the new epoch or stay where it was: weights
        of other epochs are not kept.
        """
        ...
