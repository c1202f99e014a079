"""What finished runs paid for choosing head and weights by raw labels, as far as each has measured it.

Beside the stopping rules, which choose the epoch (`rule_regret`). The runs have written all of it down; test
accuracies come in for people, and go back into no choice.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from rawlabel.artifacts.run_records import ChoiceCost
from rawlabel.base.metrics import mean_interval
from rawlabel.judge.evaluate.finished_runs import FinishedRun
from rawlabel.judge.evaluate.measured_sets import is_of_logged_test_set


@dataclass(frozen=True)
class WeightsRegret:
    """What choosing between frozen, averaged and fine-tuned weights cost the runs of one group."""

    chosen: tuple[str, ...]
    """Of each run."""
    costs: tuple[float, ...]
    """Percentage points below the best of the three on the test set, of each run."""
    mean: float
    half_width: float | None
    always: Mapping[str, float]
    """The mean cost of keeping one of them whatever raw labels say."""
    regrets: tuple[float, ...]
    """Percentage points below the oracle, the best of all epochs and of the three, of each run."""
    mean_regret: float
    regret_half_width: float | None


@dataclass(frozen=True)
class HeadRegret:
    """The head that the raw labels of one run chose."""

    run: str
    chosen: str
    cost: ChoiceCost | None
    """None where the run was not evaluated on the logged test set, or as an older version did it."""

    def describe(self) -> str:
        """The regret and both heads in one line, or how to measure it."""
        if self.cost is None:
            command = shlex.join(["rawlabel", "evaluate", self.run])
            return f"not yet measured; `{command}` measures it; chosen {self.chosen}"
        return (
            f"{self.cost.regret:.2f}; chosen {self.chosen} ({self.cost.chosen.accuracy:.2f} %), oracle "
            f"{self.cost.oracle.head} ({self.cost.oracle.accuracy:.2f} %)"
        )


@dataclass(frozen=True)
class HeadRegrets:
    """What choosing the head cost the runs of one group that chose one."""

    runs: tuple[HeadRegret, ...]
    mean: float | None
    """Percentage points below the oracle head, over the runs that have measured it; None where none has."""
    half_width: float | None


class WeightsRow(TypedDict):
    """What the choice of weights cost [points]."""

    chosen: list[str]
    costs: list[float]
    mean_cost: float
    half_width: float | None
    always: dict[str, float]
    regrets: list[float]
    mean_regret: float
    regret_half_width: float | None


class HeadRow(TypedDict):
    """A run's head, test accuracies [percent] and regret [points]; None what was not measured."""

    run: str
    chosen: str
    chosen_test_accuracy: float | None
    oracle: str | None
    oracle_test_accuracy: float | None
    regret: float | None


class HeadsRow(TypedDict):
    """What the choice of the head cost [points]."""

    mean_regret: float | None
    half_width: float | None
    runs: list[HeadRow]


def weights_regret(runs: Sequence[FinishedRun], confidence: float) -> WeightsRegret | None:
    """What is told by the choices that the runs have written down, once they had measured each."""
    told = [one for run in runs if (one := run.run.weights_choice) is not None and one.chosen in one.costs]
    if len(told) < len(runs):
        return None
    costs = tuple(one.costs[one.chosen] for one in told)
    always = {name: float(np.mean([one.costs[name] for one in told])) for name in told[0].costs}
    kept = (one.test_accuracies[one.chosen] for one in told)
    regrets = tuple(run.oracle_accuracy - accuracy for run, accuracy in zip(runs, kept, strict=True))
    of_costs, of_regrets = mean_interval(costs, confidence), mean_interval(regrets, confidence)
    return WeightsRegret(tuple(one.chosen for one in told), costs, *of_costs, always, regrets, *of_regrets)


def head_regrets(runs: Sequence[FinishedRun], confidence: float) -> HeadRegrets | None:
    """What the runs have written down of the choice of their heads, on the test sets that they logged.

    None where none chose one.
    """
    found = []
    for run in runs:
        if (choice := run.run.head_choice) is not None:
            evaluations = run.run.choice_evaluations
            # Beside rules, which are judged on the logged test set, a cost on another one would be misread.
            costs = [measured.choice for own, measured in evaluations if is_of_logged_test_set(own, measured)]
            found.append(HeadRegret(str(run.path), choice.best.text, costs[0] if costs else None))
    if not found:
        return None
    regrets = [one.cost.regret for one in found if one.cost is not None]
    mean, half_width = mean_interval(regrets, confidence) if regrets else (None, None)
    return HeadRegrets(tuple(found), mean, half_width)


def weights_row(found: WeightsRegret) -> WeightsRow:
    """What the choice of weights cost, as the file of `--out` and `--json` have it [points]."""
    return {
        "chosen": list(found.chosen), "costs": list(found.costs), "mean_cost": found.mean,
        "half_width": found.half_width, "always": dict(found.always), "regrets": list(found.regrets),
        "mean_regret": found.mean_regret, "regret_half_width": found.regret_half_width,
    }  # fmt: skip


def heads_row(found: HeadRegrets) -> HeadsRow:
    """What the choice of heads cost, as the file of `--out` and `--json` have it [points]."""
    return {
        "mean_regret": found.mean, "half_width": found.half_width, "runs": [_head_row(one) for one in found.runs],
    }  # fmt: skip


def _head_row(one: HeadRegret) -> HeadRow:
    chosen, oracle, regret = (
        (one.cost.chosen, one.cost.oracle, one.cost.regret) if one.cost else (None, None, None)
    )
    return {
        "run": one.run, "chosen": one.chosen, "chosen_test_accuracy": chosen.accuracy if chosen else None,
        "oracle": oracle.head if oracle else None, "oracle_test_accuracy": oracle.accuracy if oracle else None,
        "regret": regret,
    }  # fmt: skip
