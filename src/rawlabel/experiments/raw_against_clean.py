"""Raw against clean labels: at equal size, at equal steps, and how many clean labels the raw ones are worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rawlabel.config import ExperimentConfig, WorthConfig
from rawlabel.evaluate.worth import as_json, measure_worth
from rawlabel.experiments import SEEDS, Experiment, Row
from rawlabel.experiments._cifar10n import SMALLER, cifar10n_config
from rawlabel.experiments._trials import Trial
from rawlabel.figures.worth import draw_worth
from rawlabel.metrics import mean_interval

SIZES = {
    "tiny": (60, 100, 150, 200),
    "cpu": (400, 800, 1500, 3000),
    "gpu": (1000, 2000, 5000, 10_000, 20_000, 45_000),
}
"""Training images."""
METHODS = ("cross_entropy", "elr")
NOISES = ("random1", "worst")


class RawAgainstClean(Experiment):
    """Raw and clean labels at equal size and equal steps (X1), and the clean-label equivalent of raw sets (X2)."""

    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """Clean labels at every size; raw labels at every size, all for the steps of the largest set."""
        sizes = SIZES[config.scale]
        kinds = [("clean", "cross_entropy", size) for size in sizes]
        kinds += [(noise, method, size) for noise in NOISES for method in METHODS for size in sizes[-2:]]
        return [
            Trial(f"{method}, {noise}, {size}", cifar10n_config(
                config, noise, f"{method}-{noise}-{size}", seed,
                **self._settings(method, size, config.scale),
            ))
            for noise, method, size in kinds
            for seed in SEEDS[config.scale]
        ]  # fmt: skip

    def conclude(self, rows: Sequence[Row], config: ExperimentConfig) -> dict[str, Any]:
        """Differences paired by seed, at equal size and so equal steps, and the equivalents with the figure."""
        found = {row.name: row.summary()["runs"]["selected"] for row in rows}
        raw = [row for row in rows if ", clean, " not in row.name]
        clean = tuple(run.path for row in rows if row not in raw for run in row.runs)
        settings = WorthConfig(
            runs=tuple(run.path for row in raw for run in row.runs), clean=clean, resamples=200, out=config.out
        )
        measured = measure_worth(settings)
        draw_worth(measured, config.out)
        # Groups come in the order of their first run, as the rows do.
        worth = dict(zip((row.name for row in raw), as_json(measured, settings)["raw"], strict=True))
        differences = []
        for row in raw:
            clean_runs = found[f"cross_entropy, clean, {row.name.split(', ')[2]}"]
            points = [one - other for one, other in zip(found[row.name], clean_runs, strict=True)]
            mean, half_width = mean_interval(points)
            differences.append({"row": row.name, "raw_minus_clean": mean, "half_width": half_width})
        return {"at_equal_size_and_steps": differences, "worth": worth}

    def remarks(self, table: dict[str, Any]) -> list[str]:
        """Every difference and every equivalent, whichever way it falls."""
        said = [
            f"{one['row']}: {one['raw_minus_clean']:+.2f} ± {one['half_width']:.2f} points against clean labels "
            "(cross-entropy) of the same number, for the same steps"
            for one in table["at_equal_size_and_steps"]
        ]
        for name, one in table["worth"].items():
            number = f"{one['num_clean']:.0f}" if one["num_clean"] is not None else "any number of"
            low, high = ("?" if end is None else f"{end:.0f}" for end in one["interval"] or (None, None))
            note = f"; {one['note']}" if one["note"] else ""
            said.append(f"{name}: worth {number} clean labels (95 % interval {low} to {high}){note}")
        return said

    def _settings(self, method: str, size: int, scale: str) -> dict[str, Any]:
        small: dict[str, Any] = (
            SMALLER[scale] if scale != "gpu" else {"model": "cifar_stem_resnet34", "epochs": 100}
        )
        largest = SIZES[scale][-1]
        # Equal steps: a smaller set is seen more often.
        epochs = round(small["epochs"] * largest / size) if scale != "tiny" else small["epochs"]
        return {**small, "train_size": size, "epochs": epochs, "decay_epochs": max(1, round(0.6 * epochs)),
                "decay_max_epochs": epochs, "lr": 0.1 if method == "cross_entropy" else 0.02,
                "method": method, "holdout": round(0.1 * size / 50_000, 4), "lr_schedule": "step"}  # fmt: skip


PLUGIN = RawAgainstClean
