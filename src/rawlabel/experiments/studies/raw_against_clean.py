"""Raw against clean labels for equal steps: at equal size, how many more match, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict

from rawlabel.base.files import write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.config import ExperimentConfig, WorthConfig
from rawlabel.experiments.experiment import Experiment, Row, seeds_of
from rawlabel.experiments.heads import HEAD, places
from rawlabel.experiments.human_labels import SMALLER, human_labels_config
from rawlabel.experiments.table_records import Table
from rawlabel.experiments.train_settings import TrainSettings
from rawlabel.experiments.trials import Trial
from rawlabel.judge.evaluate.crossover import CrossoverRow, measure_crossover
from rawlabel.judge.evaluate.worth import BOUND_REMARK, CurveRow, EquivalentRow, as_json, measure_worth
from rawlabel.show.figures.crossover import draw_crossover
from rawlabel.show.figures.worth import draw_worth

SIZES = {
    "tiny": (50, 100, 150, 200),
    "cpu": (375, 750, 1500, 3000),
    "gpu": (1000, 2000, 5000, 10_000, 20_000, 45_000),
    "transfer": (1000, 2000, 5000, 10_000, 20_000, 45_000),
}
"""Training images of the clean sets."""
RAW_SIZES = {
    "tiny": (50, 100, 200),
    "cpu": (750, 1500, 3000),
    "gpu": (5000, 10_000, 20_000, 45_000),
    "transfer": (5000, 10_000, 20_000, 45_000),
}
"""Training images of the raw sets: once, twice, four times the smallest, and as often as there are images."""
METHODS = ("cross_entropy", "elr")
NOISES = ("random1", "worst")


class Difference(TypedDict):
    """Raw minus clean labels at equal size, paired by seed [points]."""

    row: str
    raw_minus_clean: float
    half_width: float | None


class CrossoverOfRow(CrossoverRow):
    """How many more raw images match, of one kind of raw labels."""

    row: str


class TableOfWorth(Table):
    """Rows, and what raw labels are worth in them."""

    at_equal_size_and_steps: list[Difference]
    crossover: list[CrossoverOfRow]
    curve: CurveRow
    worth: dict[str, EquivalentRow]


class RawAgainstClean(Experiment[TableOfWorth]):
    """Raw against clean labels for equal steps: at equal size, how many match, what they are worth."""

    def at_scale(self, scale: str) -> Experiment[Any]:
        """The same question at every scale; at `transfer`, of heads on kept features."""
        return self

    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """Clean labels at every size; raw labels at the larger ones, all for the steps of the largest set."""
        sizes = SIZES[config.scale]
        kinds = [("clean", "cross_entropy", size) for size in sizes]
        kinds += [
            (noise, method, size) for noise in NOISES for method in METHODS for size in RAW_SIZES[config.scale]
        ]
        return [
            Trial(f"{method}, {noise}, {size}", human_labels_config(
                config, noise, f"{method}-{noise}-{size}", seed,
                **self._settings(method, size, config),
            ), is_compared=config.scale != "transfer")
            for noise, method, size in kinds
            for seed in seeds_of(config)
        ]  # fmt: skip

    def conclude(self, table: Table, rows: Sequence[Row], config: ExperimentConfig) -> TableOfWorth:
        """Differences paired by seed, the multiples that match, and the equivalents; draws both of these."""
        found = {row.name: row.summary()["runs"]["selected"] for row in rows}
        raw = [row for row in rows if ", clean, " not in row.name]
        clean = tuple(run.path for row in rows if row not in raw for run in row.runs)
        settings = WorthConfig(runs=tuple(run.path for row in raw for run in row.runs), clean=clean, resamples=200)
        measured = measure_worth(settings)
        # Groups come in the order of their first run, as the rows do.
        named = [replace(one, name=row.name) for row, one in zip(raw, measured.equivalents, strict=True)]
        measured = replace(measured, equivalents=tuple(named))
        written = as_json(measured, settings)
        write_json(config.out / "worth.json", written)
        draw_worth(measured, config.out)
        worth = {one["name"]: one for one in written["raw"]}
        differences: list[Difference] = []
        for row in raw:
            clean_runs = found[f"cross_entropy, clean, {row.name.split(', ')[2]}"]
            points = [one - other for one, other in zip(found[row.name], clean_runs, strict=True)]
            mean, half_width = mean_interval(points)
            differences.append({"row": row.name, "raw_minus_clean": mean, "half_width": half_width})
        crossover = _crossovers(found, config)
        return {
            **table,
            "at_equal_size_and_steps": differences,
            "crossover": crossover,
            "curve": written["curve"],
            "worth": worth,
        }

    def remarks(self, table: TableOfWorth) -> list[str]:
        """Every difference and every equivalent, whichever way it falls."""
        said = [
            f"{one['row']}: {one['raw_minus_clean']:+.2f} ± {one['half_width']:.2f} points against clean labels "
            "(cross-entropy) of the same number, for the same steps"
            for one in table["at_equal_size_and_steps"]
        ]
        said += [_crossover_said(one) for one in table["crossover"]]
        if table["curve"]["is_limit_its_bound"]:
            said.append(BOUND_REMARK)
        for name, one in table["worth"].items():
            number = f"{one['num_clean']:.0f}" if one["num_clean"] is not None else "any number of"
            note = f"; {one['linear_in_log']:.0f} by a line in log n" if one["linear_in_log"] is not None else ""
            note += f"; {one['note']}" if one["note"] else ""
            said.append(f"{name}: worth {number} clean labels{_interval(one['interval'], '.0f')}{note}")
        return said

    def _settings(self, method: str, size: int, config: ExperimentConfig) -> TrainSettings:
        scale, largest = config.scale, SIZES[config.scale][-1]
        held: TrainSettings = {"train_size": size, "method": method, "holdout": round(0.1 * size / 50_000, 4)}
        if scale == "transfer":
            return {**HEAD, **places(config), **held, "epochs": round(HEAD["epochs"] * largest / size)}
        small: TrainSettings = (
            SMALLER[scale] if scale != "gpu" else {"model": "cifar_stem_resnet34", "epochs": 100}
        )
        # Equal steps: a smaller set is seen more often.
        epochs = round(small["epochs"] * largest / size) if scale != "tiny" else small["epochs"]
        return {**small, **held, "epochs": epochs, "decay_epochs": max(1, round(0.6 * epochs)),
                "decay_max_epochs": epochs, "lr": 0.1 if method == "cross_entropy" else 0.02,
                "lr_schedule": "step"}  # fmt: skip


def _crossovers(found: dict[str, list[float]], config: ExperimentConfig) -> list[CrossoverOfRow]:
    """The multiple m* of each kind of raw labels against each clean set of a raw size; draws the smallest's."""
    sizes = RAW_SIZES[config.scale]
    crossovers: list[CrossoverOfRow] = []
    drawn = {}
    for noise in NOISES:
        for method in METHODS:
            name = f"{method}, {noise}"
            raw = {size: found[f"{name}, {size}"] for size in sizes}
            drawn[name] = raw
            for start, size in enumerate(sizes[:-1]):
                larger = {one: raw[one] for one in sizes[start:]}
                one = measure_crossover(size, found[f"cross_entropy, clean, {size}"], larger)
                crossovers.append({"row": name, **one.as_json()})
    draw_crossover(sizes[0], found[f"cross_entropy, clean, {sizes[0]}"], drawn, config.out)
    return crossovers


def _crossover_said(one: CrossoverOfRow) -> str:
    multiples, number = one["multiples"], one["multiple"]
    if number is None:
        start = f"{one['row']}: not even {multiples[-1]:g} times as many raw images train"
    elif number == multiples[0]:
        start = f"{one['row']}: as many raw images, or fewer, train"
    else:
        start = f"{one['row']}: {number:.2f} times as many raw images train"
    return (
        f"{start} as well as {one['num_clean']} clean ones, for the same steps{_interval(one['interval'], '.2f')}"
    )


def _interval(interval: Sequence[float | None] | None, form: str) -> str:
    """An interval in words; None as an end is any number, and with no end at all there is nothing to say."""
    if interval is None or all(end is None for end in interval):
        return ""
    low, high = ("any number" if end is None else format(end, form) for end in interval)
    return f" (95 % interval {low} to {high})"


PLUGIN = RawAgainstClean
