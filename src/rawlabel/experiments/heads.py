"""Heads on the kept features of a frozen encoder, for all images of a set with human labels.

The features of 50,000 images are computed once and kept under OUT; a training then takes seconds. So whole sets
and many seeds are to be had, and rules can be chosen on one half of the settings and seeds and judged on the
other, which is written down here and not after looking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TypedDict

import numpy as np

from rawlabel.base import families
from rawlabel.config import CompareRulesConfig, ExperimentConfig
from rawlabel.experiments.experiment import Experiment, Row, seeds_of
from rawlabel.experiments.human_labels import human_labels_config
from rawlabel.experiments.table_records import ImageCounts, RowSummary, Table
from rawlabel.experiments.train_settings import TrainSettings
from rawlabel.experiments.trials import Trial
from rawlabel.judge.evaluate.rule_regret import compare_rules

HEAD: TrainSettings = {
    "encoder": "efficientnet_lite0@128",
    "epochs": 20,
    "batch_size": 1024,
    "lr": 0.2,
    "lr_schedule": "cosine",
    "weight_decay": 0.02,
    "stop_option": ("window=10", "shorter=0.5"),
    "train_accuracy": (),
    "keep_predictions": False,
    "compile": "off",
    "holdout": 0.05,
}
"""What all share: the recipe `transfer`, with half its epochs in batches eight times as large, as there are twenty
times its photos, at a rate twice as high, and views of 128 pixels for images of 32."""
_FREE: TrainSettings = {"hidden": 128, "weight_decay": 5e-4}
"""A head that can fit wrong labels: a hidden layer, and as much decay as networks have."""
METHODS: dict[str, TrainSettings] = {
    "cross_entropy": {},
    "gce": {"method": "gce"},
    "sce": {"method": "sce"},
    "elr": {"method": "elr"},
    "soft": {"weighing": "soft"},
    "agreement": {"weighing": "agreement"},
    "hidden": _FREE,
    "hidden elr": {**_FREE, "method": "elr"},
    # Two linear heads begin alike, see the same batches and would stay alike.
    "coteaching": {**_FREE, "method": "coteaching"},
    "sop": {**_FREE, "method": "sop"},
    "nts": {"student": True},
    "pruned": {"confident_learning": True},
}
"""Methods by their settings, each as published where `HEAD` says nothing; `soft` is one of
the ways to weigh that the recipe chooses from."""
_STEP: TrainSettings = {"lr_schedule": "step", "decay_epochs": 12}
_CONSTANT: TrainSettings = {"lr_schedule": "constant"}
SCHEDULED: dict[str, TrainSettings] = {
    "cross_entropy step": _STEP,
    "cross_entropy constant": _CONSTANT,
    "hidden step": {**_FREE, **_STEP},
    "hidden constant": {**_FREE, **_CONSTANT},
}
"""Heads under the other schedules, for the rules: a tenth of the rate from epoch 12 on, or one rate throughout."""
SETTINGS = {**METHODS, **SCHEDULED}
LEFT_OUT = {
    "gjs, sop_plus, dividemix": "need strongly augmented views, and kept features are of one view",
}
"""Methods that are not here, and why."""
NOISES = ("clean", "aggregate", "random1", "worst")
RULE_VARIANTS = (
    "noisy_holdout:window=3", "noisy_holdout:window=5", "noisy_holdout:window=10",
    "noisy_holdout:window=10,early=1", "noisy_holdout:window=10,shorter=0.5",
    "noisy_holdout:window=10,shorter=0.5,band=1", "noisy_holdout:window=1,band=1",
    "label_wave:halt=at_once,patience=1",
)  # fmt: skip
"""Settings of rules beside their defaults; the last is Label Wave's first minimum, as it is published."""


def name_of(method: str, noise: str) -> str:
    """Name of the row of the table for a method on a label set."""
    return f"{method}, {noise}"


CHOOSING = frozenset(
    name_of(method, noise)
    for (i, method), (k, noise) in product(enumerate(SETTINGS), enumerate(NOISES))
    if (i + k) % 2 == 0
)
"""Every other setting, as on a chessboard, so that both halves have each method and each label set. On these, with
even seeds, a rule is chosen: that with the smallest largest mean regret. On the others, with odd seeds, it
is judged. The recipe has another one (docs/learning.md says which and why)."""


class RuleCost(TypedDict):
    """Mean regrets of a rule over rows [points]."""

    largest: float
    where: str
    """Row of the largest."""
    mean: float
    settings: int
    """How many rows."""


class Halves(TypedDict):
    """Rules on the half that chooses and on the one that judges."""

    settings_that_choose: list[str]
    order: list[str]
    """Rules by their largest regret on the half that chooses."""
    choosing: dict[str, RuleCost]
    judging: dict[str, RuleCost]


class TableOfHeads(Table):
    """Rows of heads, and the rules on both halves."""

    images: ImageCounts
    left_out: dict[str, str]
    map_of_rules: dict[str, dict[str, list[float]]]
    """Regret of each seed, by row and by rule [points]."""
    rules: Halves


class HeadsTable(Experiment[TableOfHeads]):
    """Methods on human labels as heads on kept features; rules chosen on one half and judged on the other."""

    takes_parts = True

    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """Each method on each label set; whole grids one seed after the other."""
        return [
            Trial(name_of(method, noise), human_labels_config(
                config, noise, f"{method.replace(' ', '_')}-{noise}", seed,
                **HEAD | SETTINGS[method] | places(config),
            ), is_compared=False)
            for seed in seeds_of(config)
            for method, noise in product(SETTINGS, NOISES)
        ]  # fmt: skip

    def conclude(self, table: Table, rows: Sequence[Row], config: ExperimentConfig) -> TableOfHeads:
        """How many images there were, what was left out, and the rules on both halves."""
        found = {row.name: _regrets(row) for row in rows}
        return {
            **table,
            "images": {row.name: [(run.training_images, run.holdout_images) for run in row.runs] for row in rows},
            "left_out": LEFT_OUT,
            "map_of_rules": found,
            "rules": _halves(found, {row.name: [run.seed for run in row.runs] for row in rows}),
        }

    def remarks(self, table: TableOfHeads) -> list[str]:
        """How far each label set is from clean ones, and what the epoch and the method cost."""
        rows = {row["row"]: row for row in table["rows"]}
        said = [text for noise in NOISES if (text := _of_label_set(rows, noise))]
        return [*said, *(f"left out: {names}, which {why}" for names, why in table["left_out"].items())]

    def further_tables(self, table: TableOfHeads) -> list[str]:
        """Methods by label set, the map of rules, and the rules on both halves."""
        images = sorted({tuple(counts) for row in table["images"].values() for counts in row})
        spans = [f"{min(one)} to {max(one)}" for one in zip(*images, strict=True)]
        return [
            f"Trained on {spans[0]} images, held out {spans[1]}.",
            "",
            *_by_label_set(table["rows"]),
            *_map(table["map_of_rules"]),
            *_both_halves(table["rules"]),
        ]


def _by_label_set(rows: Sequence[RowSummary]) -> list[str]:
    """One row a method: the chosen epoch, the last and the oracle, for each label set."""
    found = {row["row"]: row for row in rows}
    lines = [
        "Chosen / last / oracle epoch [%] by label set; every row above has its interval.",
        "",
        f"| method | {' | '.join(NOISES)} |",
        f"|---|{'--:|' * len(NOISES)}",
    ]
    for method in SETTINGS:
        cells = []
        for noise in NOISES:
            row = found.get(name_of(method, noise))
            means = [row["selected"], row["last"], row["oracle"]] if row else []
            cells.append(" / ".join(f"{one['mean']:.2f}" for one in means) or "not yet measured")
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return [*lines, ""]


def _map(found: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """One row a setting, one column a rule."""
    rules = sorted({rule for row in found.values() for rule in row})
    lines = [
        "Mean regret of each rule [points], all seeds: the map of rules, methods, label sets and schedules.",
        "",
        f"| setting | {' | '.join(rules)} |",
        f"|---|{'--:|' * len(rules)}",
    ]
    for name, row in found.items():
        cells = (f"{np.mean(row[rule]):.2f}" if rule in row else "-" for rule in rules)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _both_halves(found: Halves) -> list[str]:
    """The rules on the half on which the default is chosen, and on the other."""
    lines = [
        "Rules by their largest mean regret [points] over the settings on which a default is chosen (every "
        "other one, even seeds), and what they cost over the others (odd seeds).",
        "",
        "| rule | choosing: largest | choosing: mean | judging: largest | where | judging: mean |",
        "|---|--:|--:|--:|---|--:|",
    ]
    for rule in found["order"]:
        chosen, judged = found["choosing"][rule], found["judging"].get(rule)
        other = f"{judged['largest']:.2f} | {judged['where']} | {judged['mean']:.2f}" if judged else "- | - | -"
        lines.append(f"| {rule} | {chosen['largest']:.2f} | {chosen['mean']:.2f} | {other} |")
    return [*lines, ""]


def places(config: ExperimentConfig) -> TrainSettings:
    """Features are kept under OUT, so nothing is written beside the data."""
    assert config.data is not None
    train, test = (str((config.data / name).absolute()) for name in ("train.parquet", "test.parquet"))
    return {"root": config.out, "main": train, "test": test}


def _regrets(row: Row) -> dict[str, list[float]]:
    """What each rule costs with each seed [points], of the rules whose signals the logs have."""
    rules = (*families.names(families.Family.STOPPING_RULE), *RULE_VARIANTS)
    (group,) = compare_rules(CompareRulesConfig(runs=tuple(run.path for run in row.runs), rule=rules))
    return {one.rule: list(one.regrets) for one in group.rules if one.mean is not None}


def _halves(
    found: Mapping[str, Mapping[str, Sequence[float]]], seeds: Mapping[str, Sequence[int | None]]
) -> Halves:
    """Each rule's regrets on the half that chooses and on the one that judges, and the order of the former."""

    def costs(names: Sequence[str], parity: int) -> dict[str, RuleCost]:
        means: dict[str, dict[str, float]] = {}
        for name in names:
            for rule, regrets in found[name].items():
                own = [one for one, seed in zip(regrets, seeds[name], strict=True)
                       if seed is not None and seed % 2 == parity]  # fmt: skip
                if own:
                    means.setdefault(rule, {})[name] = float(np.mean(own))
        return _costs(means)

    choosing = costs([name for name in found if name in CHOOSING], 0)
    return {
        "settings_that_choose": sorted(CHOOSING),
        "order": sorted(choosing, key=lambda rule: (choosing[rule]["largest"], rule)),
        "choosing": choosing,
        "judging": costs([name for name in found if name not in CHOOSING], 1),
    }


def _costs(means: Mapping[str, Mapping[str, float]]) -> dict[str, RuleCost]:
    """Largest and mean regret of the rules that apply to all rows."""
    most = max(map(len, means.values()), default=0)
    return {
        rule: {"largest": max(by_row.values()), "where": max(by_row, key=lambda name: by_row[name]),
               "mean": float(np.mean(list(by_row.values()))), "settings": len(by_row)}
        for rule, by_row in means.items() if len(by_row) == most
    }  # fmt: skip


def _of_label_set(rows: Mapping[str, RowSummary], noise: str) -> str:
    """The best head on a label set, against the best on clean labels, and what the last epoch costs."""

    def chosen_on(labels: str) -> dict[str, float]:
        known = [method for method in METHODS if name_of(method, labels) in rows]
        return {method: rows[name_of(method, labels)]["selected"]["mean"] for method in known}

    chosen, clean = chosen_on(noise), chosen_on("clean")
    if not chosen or not clean:
        return ""
    of_set = {method: rows[name_of(method, noise)] for method in chosen}
    best = max(chosen, key=lambda method: chosen[method])
    losses = {method: row["oracle"]["mean"] - row["last"]["mean"] for method, row in of_set.items()}
    most, least = max(losses, key=losses.__getitem__), min(losses, key=losses.__getitem__)
    better = [method for method, row in of_set.items() if row["last"]["mean"] >= chosen[method]]
    below = ", ".join(f"{method} {clean[method] - chosen[method]:.2f}" for method in chosen if method in clean)
    others = ", ".join(f"{method} {value:.2f}" for method, value in chosen.items() if method != best)
    return (
        f"{noise}: chosen on raw labels, best is {best} with {chosen[best]:.2f}, "
        f"{max(clean.values()) - chosen[best]:.2f} below the best head on clean labels; others: {others}; "
        f"each below itself on clean labels: {below}; the last epoch costs {losses[least]:.2f} ({least}) to "
        f"{losses[most]:.2f} ({most}) against the oracle, and is as good as the chosen one or better for "
        f"{', '.join(better) or 'none'}"
    )
