"""How far each stopping rule stays below the best epoch on the test set, on finished runs.

The rules see their records alone; the test accuracies of the logs come in afterwards.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from rawlabel.base import families
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.config import CompareRulesConfig, load_options
from rawlabel.errors import ConfigError, DataError
from rawlabel.judge.evaluate.choice_costs import (
    HeadRegrets,
    HeadsRow,
    WeightsRegret,
    WeightsRow,
    head_regrets,
    heads_row,
    weights_regret,
    weights_row,
)
from rawlabel.judge.evaluate.finished_runs import FinishedRun, group_by_settings, read_run
from rawlabel.training.stopping_rule import StoppingRule


@dataclass(frozen=True)
class RuleRegret:
    """One rule on the runs of one group."""

    rule: str
    epochs: tuple[int, ...] = ()
    """Selected epoch of each run."""
    regrets: tuple[float, ...] = ()
    """Percentage points below the oracle epoch, of each run."""
    mean: float | None = None
    half_width: float | None = None
    """Half of the mean's Student-t interval over the runs; None for one run."""
    missing: tuple[str, ...] = ()
    """Signals that the rule needs and a log lacks; the rule is then left out."""


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ in their seed alone, and the rules on them, by regret."""

    name: str
    runs: tuple[FinishedRun, ...]
    rules: tuple[RuleRegret, ...]
    weights: WeightsRegret | None = None
    """None where a run of the group was not fine-tuned, or named no test set."""
    heads: HeadRegrets | None = None
    """None where no run of the group chose a head."""


def compare_rules(config: CompareRulesConfig) -> list[RunGroup]:
    """Run every rule on the logs of finished runs, and write the result to `config.out` if given.

    Raises `ConfigError`, `DataError`, `DiskError`, `PluginError`.
    """
    if not config.runs:
        raise ConfigError("RUN: name run directories, for example `rawlabel compare-rules project/runs/*`")
    if config.out is not None and config.out.suffix not in (".json", ".csv"):
        raise ConfigError(f"--out: {config.out} should end in .json or .csv")
    rules = load_rules(config.rule)
    grouped = group_by_settings([read_run(path) for path in config.runs], config.ignore)
    groups = [
        RunGroup(
            name,
            tuple(runs),
            tuple(
                sorted((_regret(rule, one, runs, config.confidence) for rule, one in rules.items()), key=_order)
            ),
            weights_regret(runs, config.confidence),
            head_regrets(runs, config.confidence),
        )
        for name, runs in grouped.items()
    ]
    if config.out is not None:
        _write(groups, config)
    return groups


def worst_means(groups: Sequence[RunGroup]) -> list[tuple[str, float, str]]:
    """Rule, its largest mean regret over the groups, and that group, smallest first; rules on all groups only."""
    worst: dict[str, tuple[float, str]] = {}
    left_out = {one.rule for group in groups for one in group.rules if one.mean is None}
    for group in groups:
        for one in group.rules:
            if one.rule not in left_out and one.mean is not None:
                worst[one.rule] = max(worst.get(one.rule, (one.mean, group.name)), (one.mean, group.name))
    return sorted(((rule, mean, name) for rule, (mean, name) in worst.items()), key=lambda row: (row[1], row[0]))


def load_rules(wanted: Sequence[str]) -> dict[str, StoppingRule[Any]]:
    """The rules by the texts that --rule takes; all there are, with their defaults, when none is wanted."""
    rules: dict[str, StoppingRule[Any]] = {}
    for text in wanted or families.names(families.Family.STOPPING_RULE):
        name, _, options = text.partition(":")
        rule_type: type[StoppingRule[Any]] = families.load(families.Family.STOPPING_RULE, name)
        pairs = options.split(",") if options else ()
        rules[text] = rule_type(load_options(rule_type.Options, pairs, "--rule"))
    return rules


def _regret(name: str, rule: StoppingRule[Any], runs: Sequence[FinishedRun], confidence: float) -> RuleRegret:
    missing = tuple(
        signal
        for signal in rule.signals
        if signal not in rule.spare_signals
        and any(all(getattr(record, signal) is None for record in run.records) for run in runs)
    )
    if missing:
        return RuleRegret(name, missing=missing)
    epochs = tuple(rule.select(run.records).epoch for run in runs)
    for run, epoch in zip(runs, epochs, strict=True):
        if epoch not in run.test:
            raise DataError(
                f"{run.path / 'log.json'}: has no test accuracy of epoch {epoch}, which {name} selects"
            )
    regrets = tuple(run.regret(epoch) for run, epoch in zip(runs, epochs, strict=True))
    return RuleRegret(name, epochs, regrets, *mean_interval(regrets, confidence))


def _order(one: RuleRegret) -> tuple[bool, float, str]:
    return one.mean is None, one.mean or 0, one.rule


def _write(groups: Sequence[RunGroup], config: CompareRulesConfig) -> None:
    assert config.out is not None
    if config.out.suffix == ".json":
        write_json(config.out, [_as_json(group, config.confidence) for group in groups])
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["group", "rule", "runs", "mean_regret", "half_width", "largest_regret", "epochs", "missing"])
    for group in groups:
        for one in group.rules:
            largest = max(one.regrets) if one.regrets else None
            epochs, missing = " ".join(map(str, one.epochs)), " ".join(one.missing)
            runs = len(group.runs)
            table.writerow([group.name, one.rule, runs, one.mean, one.half_width, largest, epochs, missing])
    with atomic_write(config.out) as stream:
        stream.write(text.getvalue().encode())


class RunRow(TypedDict):
    """A run and the epoch that is best on the test set."""

    run: str
    seed: int | None
    oracle_epoch: int
    oracle_accuracy: float


class RuleRow(TypedDict):
    """What a rule cost [points]; nothing measured where the logs lack what it reads."""

    rule: str
    mean_regret: float | None
    half_width: float | None
    regrets: list[float]
    epochs: list[int]
    missing: list[str]


class GroupRow(TypedDict):
    """Runs that differ in their seed alone, and every rule on them, as `--out` writes it."""

    group: str
    confidence: float
    runs: list[RunRow]
    rules: list[RuleRow]
    weights: NotRequired[WeightsRow]
    heads: NotRequired[HeadsRow]


def _as_json(group: RunGroup, confidence: float) -> GroupRow:
    row: GroupRow = {
        "group": group.name,
        "confidence": confidence,
        "runs": [
            {
                "run": str(run.path),
                "seed": run.seed,
                "oracle_epoch": run.oracle_epoch,
                "oracle_accuracy": run.test[run.oracle_epoch],
            }
            for run in group.runs
        ],
        "rules": [
            {
                "rule": one.rule,
                "mean_regret": one.mean,
                "half_width": one.half_width,
                "regrets": list(one.regrets),
                "epochs": list(one.epochs),
                "missing": list(one.missing),
            }
            for one in group.rules
        ],
    }
    if (chosen := group.weights) is not None:
        row["weights"] = weights_row(chosen)
    if (heads := group.heads) is not None:
        row["heads"] = heads_row(heads)
    return row
