"""What a page may have measured first: handed in from above, as it needs torch and may open the test set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MeasureRun = Callable[[Path], str]
"""Adds a measurement to a run directory; returns why it could not, else nothing."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What to measure of a finished run that lacks it; None leaves it unmeasured."""

    probe: MeasureRun | None = None
    """Simple classifiers on the run's own features, for its `probe.json`."""
    labels: MeasureRun | None = None
    """Which raw labels are to be doubted, for its `label_evidence.json` and `suspicion.parquet`."""


NOTHING_MEASURED = Measure()
"""The page shows what there is."""
