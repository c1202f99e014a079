"""What a table on human labels should come to: published numbers, what follows from them, and what was measured.

Accuracies of the last and the best epoch are those of an independent repetition with three seeds, trained on all
images (github.com/KlemenVovk/noisy-labels, its runs with the methods' own settings). What a rule may cost is what
the best epoch on 5 % held-out raw labels cost there, in its runs that hold out as many. For a student (NTS) no
number on human labels is published; on synthetic noise (CIFAR-10) it is 2.4 to 5.4 points better than its teacher
(Chen et al., AAAI 2021, arXiv 2012.04193), and of the worst human labels as much is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from rawlabel.experiments.table_records import RowSummary

Kind = Literal["about", "at least", "at most"]
Column = Literal["selected", "last", "oracle", "regret"]


class Compared(TypedDict):
    """A target with what was measured; both of the last are None where nothing was."""

    row: str
    column: Column
    wanted: float
    kind: Kind
    tolerance: float
    measured: float | None
    is_met: bool | None


@dataclass(frozen=True)
class Target:
    """One number that is wanted of a row."""

    row: str
    column: Column
    wanted: float
    """Percent, or percentage points for a regret."""
    kind: Kind = "about"
    tolerance: float = 0.0
    """How far off a mean may be that should be about `wanted` [percentage points]."""

    def is_met(self, measured: float) -> bool:
        """Whether a mean over seeds is what is wanted."""
        if self.kind == "about":
            return abs(measured - self.wanted) <= self.tolerance
        return measured >= self.wanted if self.kind == "at least" else measured <= self.wanted


def _repeated(tolerance: float, numbers: Mapping[str, Mapping[str, float]]) -> list[Target]:
    columns: tuple[Literal["oracle", "last"], ...] = ("oracle", "last")
    return [
        Target(row, column, wanted[column], "about", tolerance)
        for row, wanted in numbers.items()
        for column in columns
        if column in wanted
    ]


def _of_rule(numbers: Mapping[str, tuple[float, float]]) -> list[Target]:
    """At least this accuracy, and at most that regret, of cross-entropy's selected epoch."""
    return [
        target
        for noise, (accuracy, regret) in numbers.items()
        for target in (
            Target(f"cross_entropy, {noise}", "selected", accuracy, "at least"),
            Target(f"cross_entropy, {noise}", "regret", regret, "at most"),
        )
    ]


CIFAR10N = (
    *_repeated(0.5, {
        "cross_entropy, clean": {"oracle": 94.2},
        "cross_entropy, aggregate": {"oracle": 91.7, "last": 86.6},
        "cross_entropy, random1": {"oracle": 90.2, "last": 82.0},
        "cross_entropy, worst": {"oracle": 83.9, "last": 68.3},
        "elr, aggregate": {"last": 92.9},
        "elr, random1": {"last": 92.1},
        "elr, worst": {"last": 87.8},
        "sop_plus, aggregate": {"last": 95.9},
        "sop_plus, random1": {"last": 95.5},
        "sop_plus, worst": {"last": 92.7},
        "dividemix, aggregate": {"last": 95.3},
        "dividemix, random1": {"last": 95.5},
        "dividemix, worst": {"last": 92.5},
    }),
    *_of_rule({"aggregate": (91.2, 0.6), "random1": (89.6, 0.6), "worst": (82.6, 1.3)}),
    Target("nts, worst", "selected", 86.0, "at least"),
)  # fmt: skip

CIFAR100N = (
    *_repeated(1.0, {
        "cross_entropy, clean": {"oracle": 76.2},
        "cross_entropy, noisy": {"oracle": 61.2, "last": 49.2},
        "elr, noisy": {"last": 63.5},
        "sop_plus, noisy": {"last": 63.4},
        "dividemix, noisy": {"last": 70.1},
    }),
    *_of_rule({"noisy": (60.7, 0.5)}),
)  # fmt: skip


def compare(targets: Iterable[Target], measured: Mapping[str, RowSummary] | None) -> list[Compared]:
    """Each of `targets` with the mean of its row in `measured`, by row, and whether that is what is wanted.

    Both are None where the row is missing, and everywhere without `measured`.
    """
    compared: list[Compared] = []
    for target in targets:
        row = (measured or {}).get(target.row)
        mean = None if row is None else row[target.column]["mean"]
        is_met = None if mean is None else target.is_met(mean)
        compared.append({
            "row": target.row, "column": target.column, "wanted": target.wanted, "kind": target.kind,
            "tolerance": target.tolerance, "measured": mean, "is_met": is_met,
        })  # fmt: skip
    return compared


def as_table(compared: Iterable[Compared]) -> list[str]:
    """What `compare` found as lines of Markdown."""
    lines = ["| setting | column | wanted | measured | |", "|---|---|--:|--:|---|"]
    columns = {"selected": "selected by the rule", "last": "last epoch", "oracle": "oracle",
               "regret": "regret of the rule"}  # fmt: skip
    for one in compared:
        wanted = (
            f"{one['wanted']} ± {one['tolerance']}" if one["kind"] == "about" else f"{one['kind']} {one['wanted']}"
        )
        measured = "not yet measured" if one["measured"] is None else f"{one['measured']:.2f}"
        verdict = {None: "", True: "met", False: "not met"}[one["is_met"]]
        lines.append(
            f"| {one['row']} | {columns[one['column']]} | {wanted} | {measured} | {verdict}".rstrip() + " |"
        )
    return lines
