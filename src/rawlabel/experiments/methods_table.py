"""Tables that set methods on human labels beside the published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rawlabel.config import ExperimentConfig
from rawlabel.experiments.experiment import Experiment, Row, seeds_of
from rawlabel.experiments.human_labels import SMALL, human_labels_config
from rawlabel.experiments.table_records import ImageCounts, Table
from rawlabel.experiments.targets import Compared, Target, as_table, compare
from rawlabel.experiments.train_settings import TrainSettings
from rawlabel.experiments.trials import Trial

WHOLE: TrainSettings = {"model": "cifar_stem_resnet34", "batch_size": 128, "holdout": 0.05}
"""What the recipes share at full size, besides shifted crops and flips, momentum 0.9 and weight decay 5e-4."""


class TableOfMethods(Table):
    """Rows beside the published numbers."""

    images: ImageCounts
    wanted: list[Compared]


class MethodsTable(Experiment[TableOfMethods]):
    """Base of the tables that set methods beside the published numbers, on one set of images."""

    set_name: ClassVar[str]
    """What the images and their labels are called."""
    recipes: ClassVar[Mapping[str, TrainSettings]]
    """Settings by method, for the whole set on a GPU."""
    on_few_epochs: ClassVar[Mapping[str, TrainSettings]] = {}
    """What the smaller scales change in a recipe."""
    on_smaller_scales = ("cross_entropy", "elr", "nts")
    """Methods that they have."""
    noises: ClassVar[Sequence[str]]
    """Label sets; cross-entropy is trained on the clean labels as well."""
    targets: ClassVar[Sequence[Target]]

    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """Each method on each label set with each seed."""
        grid = [("cross_entropy", "clean")]
        methods = list(self.recipes) if config.scale == "gpu" else self.on_smaller_scales
        grid += [(method, noise) for method in methods for noise in self.noises]
        return [
            Trial(f"{method}, {noise}", human_labels_config(
                config, noise, f"{method}-{noise}", seed, self.set_name, **self._settings(method, config.scale)
            ))
            for method, noise in grid
            for seed in seeds_of(config)
        ]  # fmt: skip

    def conclude(self, table: Table, rows: Sequence[Row], config: ExperimentConfig) -> TableOfMethods:
        """Each number that is wanted beside ours; smaller scales, of other images and networks, have none."""
        measured = {row.name: row.summary() for row in rows} if config.scale == "gpu" else None
        return {
            **table,
            "images": {row.name: [(run.training_images, run.holdout_images) for run in row.runs] for row in rows},
            "wanted": compare(self.targets, measured),
        }

    def remarks(self, table: TableOfMethods) -> list[str]:
        """The orderings that the literature leads one to expect, and whether they came out."""
        rows = {row["row"]: row for row in table["rows"]}
        said = []
        for noise in self.noises:
            plain, robust = rows[f"cross_entropy, {noise}"], rows[f"elr, {noise}"]
            student = rows[f"nts, {noise}"]
            said.append(
                f"{noise}: cross-entropy's last epoch costs {plain['oracle']['mean'] - plain['last']['mean']:.2f} "
                f"points against its oracle, the rule {plain['regret']['mean']:.2f}; ELR's last epoch is "
                f"{robust['last']['mean'] - plain['last']['mean']:+.2f} points from cross-entropy's last, and "
                f"ELR's selected epoch {robust['selected']['mean'] - plain['selected']['mean']:+.2f}, NTS's "
                f"{student['selected']['mean'] - plain['selected']['mean']:+.2f} from cross-entropy's selected"
            )
        return said

    def further_tables(self, table: TableOfMethods) -> list[str]:
        """What is wanted at full size, and what came out; and what was held out in either."""
        return [
            "## What is wanted at full size",
            "",
            "Means over three seeds at scale gpu. What is wanted of the last epoch and the oracle is of runs that "
            "hold out nothing and train on 50000 images; of the rule, of runs that hold out 5 % for it. "
            f"Every row above holds out images for its rule: {_held_out(table['images'])}.",
            "",
            *as_table(table["wanted"]),
            "",
        ]

    def _settings(self, method: str, scale: str) -> TrainSettings:
        if scale == "gpu":
            return {**WHOLE, **self.recipes[method]}
        small = SMALL[scale]
        recipe = self.recipes[method].copy()
        recipe.pop("epochs", None)
        recipe.pop("decay_at", None)
        # The same shape of schedule in fewer epochs: the first step after 60 % of them.
        shorter = TrainSettings(decay_epochs=max(1, round(0.6 * small["epochs"])))
        return {**recipe, **self.on_few_epochs.get(method, {}), **small, **shorter}


def _held_out(images: ImageCounts) -> str:
    """How many images the rows trained on and held out, rows with the same numbers together."""
    found: dict[tuple[str, str], list[str]] = {}
    for row, counts in images.items():
        trainings, holdouts = (" or ".join(map(str, dict.fromkeys(one))) for one in zip(*counts, strict=True))
        found.setdefault((trainings, holdouts), []).append(row)
    return "; ".join(
        f"{holdouts} beside {trainings} to train on ({'all' if len(rows) == len(images) else '; '.join(rows)})"
        for (trainings, holdouts), rows in found.items()
    )
