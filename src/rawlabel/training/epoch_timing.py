"""When the parts of an epoch ended, and the line that `timing.jsonl` has of it."""

from __future__ import annotations

from typing import NamedTuple

from rawlabel.artifacts.run_directory import RunDirectory


class EpochTiming(NamedTuple):
    """When the parts of an epoch ended, as `time.perf_counter` tells it [seconds]."""

    started: float
    first_batch: float
    trained: float
    finished: float


def log_timing(run: RunDirectory, epoch: int, timing: EpochTiming, seen: int) -> None:
    """Note the times of `epoch`, whose steps have `seen` so many images."""
    seconds = timing.trained - timing.started
    # After a stop behind the last step there are none left to time.
    speed = {"images_per_second": round(seen / seconds, 1)} if seen else {}
    run.log_timing(
        epoch=epoch,
        first_batch_seconds=round(timing.first_batch - timing.started, 3),
        train_seconds=round(seconds, 3),
        **speed,
        measure_seconds=round(timing.finished - timing.trained, 3),
    )
