"""Training images that are left out as copies of test images: which those are is handed in from above.

Training can open no test set. It hears positions, leaves out what stands there, and writes them into the directory
of each of its runs, so that whoever reads a run's data again has the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import LeftOutCopies
from rawlabel.base import distributed
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.training.data import TrainingData


@dataclass(frozen=True, eq=False)
class Copies:
    """Which images are copies of test images, and what is written down of it."""

    rows: Sequence[int]
    """Positions among the training images and behind them the held-out ones."""
    test_sets: Sequence[str]
    """Fingerprints of the test sets that were looked at."""
    record: Callable[[Path], None]
    """Writes the certificates into a run directory."""


FindCopies = Callable[[TrainConfig, TrainingData], Copies | None]
"""Finds them; None where nothing shall be left out. It is handed in from above, as what measures epochs is."""


def leave_out(
    config: TrainConfig, data: TrainingData, find_copies: FindCopies | None
) -> tuple[TrainingData, Copies | None]:
    """`data` without the copies that are found, and in the first process of a run what is to be recorded.

    Raises `DataError` where no training image of a class is left.
    """
    if find_copies is None:
        return data, None
    found: list[Copies] = []

    def look() -> LeftOutCopies | None:
        found.extend(one for one in [find_copies(config, data)] if one is not None)
        return _described(data, found[0]) if found else None

    left_out = distributed.from_first(look)
    if left_out is not None:
        data = replace(data.without(left_out.rows), left_out_copies=left_out)
    return data, found[0] if found else None


def _described(data: TrainingData, copies: Copies) -> LeftOutCopies:
    sources, count = (data.train.source, data.holdout.source), len(data.train)
    places = [sources[row >= count].where(row - count if row >= count else row) for row in copies.rows]
    return LeftOutCopies(
        data=data.fingerprint, rows=tuple(copies.rows), images=tuple(places), test_sets=tuple(copies.test_sets)
    )


def as_trained(run: Run, data: TrainingData) -> TrainingData:
    """`data` without what the run has left out."""
    left_out = run.left_out_copies
    if left_out is None or left_out.data != data.fingerprint:
        return data
    return replace(data.without(left_out.rows), left_out_copies=left_out)


def refuse_begun_on_all(run: RunDirectory, data: TrainingData) -> None:
    """A run that was begun on all images goes on with them, or not at all. Raises `ConfigError`."""
    left_out = data.left_out_copies
    has_begun = run.log_path.exists() or run.last_checkpoint.exists()
    if left_out and left_out.rows and has_begun and run.read().left_out_copies is None:
        raise ConfigError(
            f"--overlap: {run.path} was begun on copies of test images, too; go on with --overlap keep, or choose "
            "another --outpath"
        )
