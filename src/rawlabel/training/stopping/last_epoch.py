"""The last epoch: train for a fixed time."""

from __future__ import annotations

from collections.abc import Sequence

from rawlabel.records import EpochRecord
from rawlabel.training.stopping_rule import NoOptions, Selection, StoppingRule


class LastEpoch(StoppingRule[NoOptions]):
    """Take the last epoch, whatever the curves say."""

    @property
    def signals(self) -> tuple[str, ...]:
        """None at all: the last epoch is known without any measurement."""
        return ()

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the epoch of the newest of `records`, which must not be empty; it never stops a run."""
        return Selection(records[-1].epoch, "the last epoch")


PLUGIN = LastEpoch
