"""Accuracy after each epoch, with the selected, the last and the oracle epoch marked.

Positions are in percent of the plot's box, x from the left and y from the top, so that the picture fits any
width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rawlabel.artifacts.run_records import Epoch
from rawlabel.show.report.evidence import RunEvidence
from rawlabel.show.report.rules import RuleChoice

MOST_RATE_LABELS = 12
"""With more learning-rate steps than this, as under a smooth schedule, none is drawn; the table has them."""

_SERIES: tuple[tuple[str, str, Callable[[Epoch], float | None]], ...] = (
    ("train", "training, raw labels", lambda one: one.train.acc1),
    ("holdout", "holdout, raw labels", lambda one: one.holdout.acc1),
    ("test", "test (for people only)", lambda one: one.test.acc1),
)


@dataclass(frozen=True, slots=True)
class Point:
    """A position in percent of the box."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One line; it is cut where epochs were not measured."""

    kind: str
    label: str
    pieces: list[list[Point]]


@dataclass(frozen=True, slots=True)
class Mark:
    """One epoch that matters, under all the names it has."""

    epoch: int
    label: str
    point: Point
    row: int
    """Line of the label above the plot, counted from 1 upwards, so that labels never collide."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a position on an axis [percent]."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Curves:
    """All that the plot and the table of epochs show."""

    curves: list[Curve]
    marks: list[Mark]
    rate_steps: list[Tick]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    epochs: Sequence[Epoch]
    rule_ticks: list[Tick]
    """Epochs that stopping rules choose, labelled with the rules."""
    unmeasured: list[str]
    """Curves that are missing, by their labels."""


def make_curves(run: RunEvidence, rules: Sequence[RuleChoice] = ()) -> Curves | None:
    """Lay out the log of a run; None when no epoch, or no accuracy at all, is logged."""
    values = {kind: [read(one) for one in run.epochs] for kind, _, read in _SERIES}
    known = [value for series in values.values() for value in series if value is not None]
    if not known:
        return None
    low, high = 10 * math.floor(min(known) / 10), 10 * math.ceil(max(known) / 10)
    high = max(high, low + 10)
    first, last = run.epochs[0].epoch, run.epochs[-1].epoch

    def x(epoch: float) -> float:
        return 100 * (epoch - first) / (last - first) if last > first else 50.0

    def y(value: float) -> float:
        return 100 * (high - value) / (high - low)

    points = {
        kind: [
            Point(x(one.epoch), y(value)) if value is not None else None
            for one, value in zip(run.epochs, series, strict=True)
        ]
        for kind, series in values.items()
    }
    drawn = [Curve(kind, label, pieces) for kind, label, _ in _SERIES if (pieces := _cut(points[kind]))]
    return Curves(
        drawn,
        _marks(run, points, x),
        _rate_steps(run.epochs, x),
        [Tick(x(epoch), str(epoch)) for epoch in _nice_ticks(first, last)],
        [Tick(y(value), str(value)) for value in range(low, high + 1, 10 if high - low <= 60 else 20)],
        run.epochs,
        [Tick(x(epoch), ", ".join(names)) for epoch, names in _by_epoch(rules).items()],
        [label for kind, label, _ in _SERIES if not _cut(points[kind])],
    )


def _by_epoch(rules: Sequence[RuleChoice]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for one in rules:
        if one.epoch is not None:
            found.setdefault(one.epoch, []).append(one.rule)
    return dict(sorted(found.items()))


def _cut(points: list[Point | None]) -> list[list[Point]]:
    pieces: list[list[Point]] = [[]]
    for point in points:
        if point is not None:
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _marks(run: RunEvidence, points: dict[str, list[Point | None]], x: Callable[[float], float]) -> list[Mark]:
    names: dict[int, list[str]] = {}
    last = run.epochs[-1].epoch if run.is_finished else None
    wanted = (("selected", run.selected_epoch), ("last", last), ("oracle", run.oracle_epoch))
    for name, epoch in wanted:
        if epoch is not None:
            names.setdefault(epoch, []).append(name)
    marks: list[Mark] = []
    for position, entry in enumerate(run.epochs):
        if entry.epoch in names:
            # On the highest-ranking curve that has a value there.
            found = (points[kind][position] for kind in ("test", "holdout", "train"))
            point = next((one for one in found if one is not None), Point(x(entry.epoch), 100))
            label = f"{' = '.join(names[entry.epoch])}: epoch {entry.epoch}"
            marks.append(Mark(entry.epoch, label, point, len(marks) + 1))
    return marks


def _rate_steps(log: Sequence[Epoch], x: Callable[[float], float]) -> list[Tick]:
    """Where the learning rate changes: between two epochs, labelled with the new rate."""
    steps = [
        Tick((x(before.epoch) + x(now.epoch)) / 2, f"lr {now.lr:.3g}")
        for before, now in pairwise(log)
        if now.lr is not None and now.lr != before.lr
    ]
    return steps if len(steps) <= MOST_RATE_LABELS else []


def _nice_ticks(first: int, last: int) -> list[int]:
    """Epochs at steps of 1, 2 or 5 times a power of ten, seven at most."""
    step = 1
    for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        step = factor
        if (last - first) / step <= 6:
            break
    return list(range(-(-first // step) * step, last + 1, step))
