"""What the `table.json` of every experiment holds, key by key; what one concludes stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict


class Mean(TypedDict):
    """Mean over seeds, and half of its 95 % Student-t interval; None with a single seed."""

    mean: float
    half_width: float | None


class RunValues(TypedDict):
    """One number a run [percent; points for the regret]."""

    selected: list[float]
    last: list[float]
    oracle: list[float]
    regret: list[float]


class RowSummary(TypedDict):
    """Finished runs of one setting."""

    row: str
    seeds: list[int | None]
    selected_epochs: list[int]
    runs: RunValues
    selected: Mean
    last: Mean
    oracle: Mean
    regret: Mean


class TableEnvironment(TypedDict):
    """Where the trials ran."""

    commit: str
    processor: str
    device: str
    precision: str
    threads: int | None
    python: str
    packages: Mapping[str, str]
    """Version by name."""
    commits: list[str]
    """Every commit that a trial ran from."""
    table_commit: str


class Table(TypedDict):
    """What all experiments say."""

    experiment: str
    scale: str
    command: str
    environment: TableEnvironment
    rule: str
    rows: list[RowSummary]


ImageCounts = dict[str, list[tuple[int, int | None]]]
"""Training images and held-out ones of each run, by row."""
