"""Clocks: wall time, processor time of a process and all it started, and what one reading holds."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from enum import StrEnum

import psutil


class Probe(StrEnum):
    """What can be measured of a contestant."""

    LOADER = "loader"
    """One pass over the training images, as the loader hands them over (uint8, or normalized, as it does it)."""
    READY = "ready"
    """The same, until the batch is normalized on the device and the network could begin."""
    STEP = "step"
    """Training steps on one batch that stays on the device: the ceiling that no data can lift."""
    EPOCH = "epoch"
    """A whole epoch: the training pass, and every evaluation and checkpoint that the loop makes after it."""


@dataclass
class Reading:
    """What one probe of one contestant gave."""

    images: int
    """Images trained on or loaded."""
    seconds: float
    """Wall time, from an idle device to an idle device."""
    cpu_seconds: float
    """Processor time of the contestant's process, its threads and its workers."""
    first_batch_seconds: float | None = None
    """Of an epoch: from its start to its first batch; after the first epoch, the gap between two epochs."""
    train_seconds: float | None = None
    """Of an epoch: its training pass alone."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """Of an epoch: what the loop itself measured [percent]."""
    steps: int = 0
    """Of an epoch: optimizer steps made."""
    memory_bytes: int = 0
    """Resident memory of the contestant's process and its workers afterwards."""
    device_busy: float | None = None
    """Of steps on a GPU: share of the time in which a kernel ran."""


class EpochClock:
    """Notes when the parts of an epoch end; a contestant calls it from its loop."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first_batch_at: float | None = None
        self.trained_at: float | None = None

    def has_batch(self) -> None:
        """Say that a batch has come; only the first one counts."""
        if self.first_batch_at is None:
            self.first_batch_at = time.perf_counter()

    def has_trained(self) -> None:
        """Say that the training pass is over and the device is idle."""
        self.trained_at = time.perf_counter()


def cpu_seconds() -> float:
    """Processor time so far of this process and all it started, those that have ended included [seconds]."""
    this = psutil.Process()
    total = 0.0
    for process in [this, *this.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def resident_memory() -> int:
    """Resident memory of this process and all it started [bytes]."""
    this = psutil.Process()
    total = 0
    for process in [this, *this.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total
