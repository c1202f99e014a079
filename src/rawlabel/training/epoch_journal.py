"""What the epochs leave on the disk, written each time, or, where an epoch takes a blink, now and then.

What is written last is the checkpoint, and a run goes on from there; so entries of the log may wait for it, and a
process killed before it was written trains the same epochs again, to the same result.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rawlabel.artifacts.log_entry import LogEntry
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.models.checkpoint import RunState, WeightsFacts
from rawlabel.training.checkpoint_writer import CheckpointWriter, copy_to_host


class EpochJournal:
    """The log entries, predictions and selected weights of the epochs since the last checkpoint of `run`."""

    def __init__(self, run: RunDirectory, writer: CheckpointWriter, seconds: float = 0.0) -> None:
        """`seconds` may pass between two checkpoints; 0 writes one behind every epoch."""
        self._run, self._writer, self._seconds = run, writer, seconds
        self._written = time.monotonic()
        self._entries: list[LogEntry] = []
        self._predictions: dict[int, npt.NDArray[np.int32]] = {}
        self._selected: tuple[Mapping[str, Tensor] | None, WeightsFacts] | None = None

    @property
    def is_due(self) -> bool:
        """Whether the interval [s] has passed since the last writing, by a clock that does not jump."""
        return time.monotonic() - self._written >= self._seconds

    @property
    def is_empty(self) -> bool:
        """Whether all that was taken up is written."""
        return not self._entries

    def add(self, entry: LogEntry, predictions: Tensor | None) -> None:
        """Take up an epoch: its entry of the log, and what was said of each training image, if that is kept."""
        self._entries.append(entry)
        if predictions is not None:
            self._predictions[entry["epoch"]] = predictions.cpu().numpy().copy()

    def select(self, weights: Mapping[str, Tensor], facts: WeightsFacts) -> None:
        """Keep the weights of the epoch that is the selected one so far: a copy, unless they are written now."""
        self._selected = None if self.is_due else copy_to_host(dict(weights)), facts

    def _write_log(self) -> None:
        for epoch, predictions in self._predictions.items():
            self._run.keep_training_predictions(epoch, predictions)
        self._run.log_epochs(self._entries)
        self._entries, self._predictions = [], {}

    def save(self, weights: Mapping[str, Tensor], facts: WeightsFacts, state: RunState) -> None:
        """Write all that was taken up, and then the checkpoint of `CheckpointWriter.save`."""
        self._write_log()
        selected_weights, selected = self._selected or (None, None)
        self._writer.save(weights, facts, state, selected, selected_weights)
        self._selected, self._written = None, time.monotonic()
