"""One epoch as `log.json` has it, and as the stopping rules see it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from rawlabel.artifacts.run_directory import LogEntry
from rawlabel.errors import DataError
from rawlabel.records import EpochRecord

# Where each field of the record stands in an entry; the published logs have the first keys of some.
_PLACES = {
    "learning_rate": ("lr",),
    "train_loss": ("train", "loss"),
    "train_accuracy": ("train", "acc1"),
    "holdout_loss": ("holdout", "loss"),
    "holdout_accuracy": ("holdout", "acc1"),
    "holdout_balanced_accuracy": ("holdout", "balanced_acc1"),
    "decays_left": ("signals", "decays_left"),
    "changed_predictions": ("signals", "changed_predictions"),
    "alignment_mean": ("signals", "alignment_mean"),
    "alignment_kurtosis": ("signals", "alignment_kurtosis"),
    "class_size_ratio": ("signals", "class_size_ratio"),
}
HOLDOUT_SIGNALS = {name: place[1] for name, place in _PLACES.items() if place[0] == "holdout"}
"""Fields of the record that come of the holdout, and their keys in that part of an entry."""
_NOT_OF_DIVERGED = ("holdout_accuracy", "holdout_balanced_accuracy", "alignment_mean", "alignment_kurtosis")


def signals_entry(record: EpochRecord) -> dict[str, Any]:
    """The `signals` part of a log entry: each signal of the record by name, None where it was not measured."""
    return {name: getattr(record, name) for name, place in _PLACES.items() if place[0] == "signals"}


def read_record(entry: LogEntry, path: Path) -> EpochRecord:
    """The record of one entry of the log at `path`; signals that it lacks are None. Raises `DataError`."""
    values = {name: _look_up(entry, place, path) for name, place in _PLACES.items()}
    if has_diverged(entry):
        values |= dict.fromkeys(_NOT_OF_DIVERGED)
    return EpochRecord(epoch=entry["epoch"], **values)


def has_diverged(entry: LogEntry) -> bool:
    """Whether a loss of the epoch is no finite number.

    Runs end at such an epoch, but those of older versions went on, and counted answers that were NaN as right.
    """
    parts = [entry.get(part) for part in ("train", "holdout")]
    losses = [part.get("loss") for part in parts if isinstance(part, dict)]
    return any(isinstance(loss, float) and not math.isfinite(loss) for loss in losses)


def _look_up(entry: LogEntry, place: tuple[str, ...], path: Path) -> Any:
    value: Any = entry
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        name = ".".join(place)
        raise DataError(f"{path}: {name} of epoch {entry['epoch']} is no number; repeat the run")
    return value
