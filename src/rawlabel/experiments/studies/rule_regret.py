"""What each stopping rule costs, over schedules, losses, noises; the default should have the best worst case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from rawlabel.base import families
from rawlabel.config import CompareRulesConfig, ExperimentConfig
from rawlabel.experiments.experiment import Experiment, Row, seeds_of
from rawlabel.experiments.human_labels import SMALLER, human_labels_config
from rawlabel.experiments.table_records import Table
from rawlabel.experiments.train_settings import TrainSettings
from rawlabel.experiments.trials import Trial
from rawlabel.judge.evaluate.finished_runs import rule_text
from rawlabel.judge.evaluate.rule_regret import compare_rules, load_rules
from rawlabel.show.figures.output import FigureFolder
from rawlabel.show.figures.style import figure_style, new_figure

Schedule = Literal["step", "cosine", "constant"]
SCHEDULES: tuple[Schedule, ...] = ("step", "cosine", "constant")
METHODS = ("cross_entropy", "elr")
NOISES: dict[str, tuple[str, float]] = {
    "aggregate": ("aggregate", 0),
    "random1": ("random1", 0),
    "worst": ("worst", 0),
    "symmetric 40 %": ("clean", 0.4),
}
"""Label set, and the share of its labels that are made wrong on top."""
VARIANTS = ("noisy_holdout:window=3", "noisy_holdout:window=5")
"""Settings of the default rule that are compared besides every rule with its defaults."""
SCALES: dict[str, TrainSettings] = {
    "tiny": SMALLER["tiny"],
    # Long enough for robust losses to grow sure of what raw labels deny, which the loss on those then punishes.
    "cpu": {**SMALLER["cpu"], "train_size": 4000, "epochs": 36},
    "gpu": {"model": "cifar_stem_resnet34", "epochs": 100},
}


def best_in_resamples(regrets: dict[str, npt.NDArray[np.float64]], count: int = 1000) -> dict[str, float]:
    """Share of bootstrap resamples in which a rule has the smallest largest mean regret; ties are shared.

    `regrets` [settings, seeds] of each rule; in a resample every setting draws its seeds anew, the same for
    all rules.
    """
    stacked = np.stack(list(regrets.values()))
    _, settings, seeds = stacked.shape
    drawn = np.random.default_rng(0).integers(seeds, size=(count, 1, settings, seeds))
    means = np.take_along_axis(stacked[None], drawn, axis=3).mean(axis=3)
    largest = means.max(axis=2)
    is_best = np.isclose(largest, largest.min(axis=1, keepdims=True))
    shares = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    return dict(sorted(zip(regrets, shares.tolist(), strict=True), key=lambda one: -one[1]))


class TableOfRules(Table):
    """Rows, and what every rule costs on each."""

    rule_options: dict[str, Mapping[str, object]]
    regrets: dict[str, dict[str, float]]
    """By rule, by row [points]."""
    largest_mean_regret: dict[str, float]
    best_in_resamples: dict[str, float]
    partly_applicable: list[str]
    """Rules that some rows lack the signals for."""


class RuleRegretGrid(Experiment[TableOfRules]):
    """Regret of every stopping rule over schedules, losses and noises: a table, a heat map and the worst cases."""

    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """Every schedule with every loss, noise and seed."""
        return [
            Trial(f"{method}, {noise}, {schedule}", human_labels_config(
                config, NOISES[noise][0], f"{method}-{noise.split()[0]}-{schedule}", seed,
                **self._settings(method, schedule, config.scale) | TrainSettings(inject_noise=NOISES[noise][1]),
            ))
            for schedule, method, noise in product(SCHEDULES, METHODS, NOISES)
            for seed in seeds_of(config)
        ]  # fmt: skip

    def conclude(self, table: Table, rows: Sequence[Row], config: ExperimentConfig) -> TableOfRules:
        """Regret of every rule on every row, and the rules by their largest mean regret; draws the heat map."""
        regrets: dict[str, dict[str, float]] = {}
        by_seed: dict[str, list[tuple[float, ...]]] = {}
        rules = (*families.names(families.Family.STOPPING_RULE), *VARIANTS)
        for row in rows:
            (group,) = compare_rules(CompareRulesConfig(runs=tuple(run.path for run in row.runs), rule=rules))
            for rule in group.rules:
                if rule.mean is not None:
                    regrets.setdefault(rule.rule, {})[row.name] = rule.mean
                    by_seed.setdefault(rule.rule, []).append(rule.regrets)
        whole = {rule: means for rule, means in regrets.items() if len(means) == len(rows)}
        worst = sorted(((max(means.values()), rule) for rule, means in whole.items()))
        self._draw(whole, [row.name for row in rows], config)
        options = {rule: one.options.as_json() for rule, one in load_rules(rules).items()}
        return {
            **table,
            "rule_options": {rule: options[rule] for rule in whole},
            "regrets": whole,
            "largest_mean_regret": {rule: value for value, rule in worst},
            "best_in_resamples": best_in_resamples({rule: np.array(by_seed[rule]) for rule in whole}),
            "partly_applicable": sorted(set(regrets) - set(whole)),
        }

    def remarks(self, table: TableOfRules) -> list[str]:
        """The order of the rules by their worst case, and where that is."""
        where = {rule: max(means, key=lambda name: means[name]) for rule, means in table["regrets"].items()}
        ranked = "; ".join(
            f"{rule} {value:.2f} ({where[rule]})" for rule, value in table["largest_mean_regret"].items()
        )
        return [
            f"rules by their largest mean regret over the {len(table['rows'])} settings [points]: {ranked}",
            "options that they were compared with: "
            + "; ".join(rule_text(rule.partition(":")[0], one) for rule, one in table["rule_options"].items()),
            "in how many of 1,000 resamples of the seeds each has the smallest: "
            + ", ".join(f"{rule} {100 * share:.1f} %" for rule, share in table["best_in_resamples"].items()),
        ]

    def _settings(self, method: str, schedule: Schedule, scale: str) -> TrainSettings:
        small = SCALES[scale]
        step: TrainSettings = {"decay_epochs": max(1, round(0.6 * small["epochs"]))}
        lr = 0.1 if method == "cross_entropy" else 0.02
        return {"holdout": 0.05, **small, **step, "method": method, "lr_schedule": schedule,
                "lr": lr if schedule != "constant" else 0.01}  # fmt: skip

    def _draw(self, regrets: dict[str, dict[str, float]], names: Sequence[str], config: ExperimentConfig) -> None:
        folder = FigureFolder(config.out)
        rules = sorted(regrets, key=lambda rule: max(regrets[rule].values()))
        values = np.array([[regrets[rule][name] for rule in rules] for name in names])
        with figure_style():
            figure = new_figure(2.5 + 0.7 * len(rules), 1.5 + 0.24 * len(names))
            axes = figure.subplots()
            image = axes.imshow(values, aspect="auto", cmap="viridis", vmin=0)
            axes.set_xticks(range(len(rules)), rules, rotation=30, ha="right")
            axes.set_yticks(range(len(names)), names)
            for (y, x), value in np.ndenumerate(values):
                color = "white" if value < values.max() / 2 else "black"
                axes.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=7, color=color)
            figure.colorbar(image, label="mean regret [points]")
            folder.save(figure, "rule_regret")
        folder.write_csv("rule_regret", ("setting", *rules),
                         [(name, *map(float, row)) for name, row in zip(names, values, strict=True)])  # fmt: skip


PLUGIN = RuleRegretGrid
