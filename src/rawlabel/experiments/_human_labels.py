"""What the experiments on human labels share: where their files are, small recipes for two cores, their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.config import ExperimentConfig, TrainConfig
from rawlabel.errors import DataError
from rawlabel.experiments import SEEDS, Experiment, Row
from rawlabel.experiments._targets import Target, as_table, compare
from rawlabel.experiments._trials import Trial
from rawlabel.files import atomic_write

_TRAIN, _TEST = "train.parquet", "test.parquet"
LABELS = {
    "clean": "clean_label",
    "aggregate": "aggregate_label",
    "random1": "random_label1",
    "worst": "worst_label",
    "noisy": "noisy_label",
}
"""Label sets by the column of `train.parquet` that holds them; `noisy` is CIFAR-100N's, the others but `clean` are
CIFAR-10N's (Wei et al., ICLR 2022, arXiv 2110.12088)."""

WHOLE: dict[str, Any] = {"model": "cifar_stem_resnet34", "batch_size": 128, "holdout": 0.05}
"""What the recipes share at full size, besides shifted crops and flips, momentum 0.9 and weight decay 5e-4."""

SMALL: dict[str, dict[str, Any]] = {
    "tiny": {
        "model": "cifar_resnet8",
        "epochs": 2,
        "train_size": 200,
        "image_size": 16,
        "batch_size": 64,
        "holdout": 0.004,
    },
    "cpu": {
        "model": "resnet18",
        "num_planes": 16,
        "epochs": 30,
        "train_size": 3000,
        "batch_size": 64,
        "augment": "none",
        "holdout": 0.02,
        "test_size": 2000,
    },
}
"""Settings with which a training is affordable without a GPU. In `cpu` a narrow ResNet-18 sees 3,000 images as
they are: with random crops a network of this size has not fitted the wrong labels when the run is over, and then
no rule could lose anything. Its rule reads 1,000 further raw images, and 2,000 test images are enough."""

SMALLER: dict[str, dict[str, Any]] = {
    "tiny": SMALL["tiny"],
    "cpu": {
        **SMALL["cpu"],
        "model": "small_convnet",
        "image_size": 16,
        "epochs": 16,
    },
}
"""The same for experiments of many trials."""


def human_labels_config(
    config: ExperimentConfig, noise: str, name: str, seed: int, of: str = "CIFAR-10N", **settings: Any
) -> TrainConfig:
    """A training on the label set `noise` of the images `of` in the run directory OUT/runs/`name`-`seed`.

    Raises `DataError` when the files are not there.
    """
    assert config.data is not None
    for file in (_TRAIN, _TEST):
        if not (config.data / file).is_file():
            raise DataError(f"{config.data / file}: no such file; name the folder of {of} with --data")
    test_size = settings.pop("test_size", None)
    common: dict[str, Any] = {
        "root": config.data,
        "main": _TRAIN,
        "test": _TEST if test_size is None else str(_smaller_test_set(config, test_size, of)),
        "label_column": LABELS[noise],
        "test_label_column": LABELS["clean"],
        "outpath": Path(config.out) / "runs" / f"{name}-{seed}",
        "seed": seed,
        "image_size": 32,
        "augment": "crop_flip",
        "weight_decay": 5e-4,
        "device": config.device,
        "workers": config.workers,
    }
    return TrainConfig(**(common | settings))


def _smaller_test_set(config: ExperimentConfig, count: int, of: str) -> Path:
    """A file of `count` test images, the same number of each class, drawn with a fixed seed.

    Raises `DataError` when the test set is damaged or another one, and `DiskError`.
    """
    path = (config.out / "data" / f"test_{count}.parquet").absolute()
    if path.is_file():
        return path
    assert config.data is not None
    try:
        table = pq.read_table(config.data / _TEST)
        labels = table[LABELS["clean"]].to_numpy()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError(
            f"{config.data / _TEST}: is no Parquet file with the column {LABELS['clean']}; name the folder of "
            f"{of} with --data"
        ) from error
    rng = np.random.default_rng(0)
    classes = np.unique(labels)
    rows = [rng.permutation(np.flatnonzero(labels == one))[: count // len(classes)] for one in classes]
    with atomic_write(path) as stream:
        pq.write_table(table.take(pa.array(np.sort(np.concatenate(rows)))), stream)
    return path


class HumanLabels(Experiment):
    """Base of the tables that set methods beside the published numbers, on one set of images."""

    of: ClassVar[str]
    """What the images are called."""
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Settings by method, for the whole set on a GPU."""
    on_few_epochs: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
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
            Trial(f"{method}, {noise}", human_labels_config(config, noise, f"{method}-{noise}", seed, self.of,
                                                            **self._settings(method, config.scale)))
            for method, noise in grid
            for seed in SEEDS[config.scale]
        ]  # fmt: skip

    def conclude(self, rows: Sequence[Row], config: ExperimentConfig) -> dict[str, Any]:
        """Each number that is wanted beside ours; smaller scales, of other images and networks, have none."""
        measured = {row.name: row.summary() for row in rows} if config.scale == "gpu" else None
        return {
            "images": {row.name: [(run.training_images, run.holdout_images) for run in row.runs] for row in rows},
            "wanted": compare(self.targets, measured),
        }

    def remarks(self, table: dict[str, Any]) -> list[str]:
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

    def further_tables(self, table: dict[str, Any]) -> list[str]:
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

    def _settings(self, method: str, scale: str) -> dict[str, Any]:
        if scale == "gpu":
            return {**WHOLE, **self.recipes[method]}
        small = SMALL[scale]
        recipe = {key: value for key, value in self.recipes[method].items() if key not in ("epochs", "decay_at")}
        # The same shape of schedule in fewer epochs: the first step after 60 % of them.
        shorter = {"decay_epochs": max(1, round(0.6 * small["epochs"]))}
        return {**recipe, **self.on_few_epochs.get(method, {}), **small, **shorter}


def _held_out(images: dict[str, Sequence[Sequence[int | None]]]) -> str:
    """How many images the rows trained on and held out, rows with the same numbers together."""
    found: dict[tuple[str, str], list[str]] = {}
    for row, counts in images.items():
        trainings, holdouts = (" or ".join(map(str, dict.fromkeys(one))) for one in zip(*counts, strict=True))
        found.setdefault((trainings, holdouts), []).append(row)
    return "; ".join(
        f"{holdouts} beside {trainings} to train on ({'all' if len(rows) == len(images) else '; '.join(rows)})"
        for (trainings, holdouts), rows in found.items()
    )
