"""The last epoch: train for a fixed time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rawlabel.records import EpochRecord
from rawlabel.train.stopping import Selection


class LastEpoch:
    """Take the last epoch, whatever the curves say."""

    needs_holdout: ClassVar[bool] = False

    def select(self, records: Sequence[EpochRecord]) -> Selection:
        """Select the newest record's epoch."""
        return Selection(records[-1].epoch, "the last epoch")


PLUGIN = LastEpoch
