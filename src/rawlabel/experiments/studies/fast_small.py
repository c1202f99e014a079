"""The fast recipe on all small images of CIFAR-10N: which accuracy, after how many seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from rawlabel.artifacts.run import Run
from rawlabel.config import ExperimentConfig
from rawlabel.experiments.experiment import Experiment, Row, seeds_of
from rawlabel.experiments.human_labels import SMALL, human_labels_config
from rawlabel.experiments.table_records import Table
from rawlabel.experiments.train_settings import TrainSettings
from rawlabel.experiments.trials import Trial
from rawlabel.models.networks.small_convnet import SMALL_CONVNET

RECIPE: TrainSettings = {
    "model": SMALL_CONVNET,
    "image_size": 32,
    "augment": "crop_flip",
    "epochs": 10,
    "batch_size": 512,
    "opt": "sgd",
    "lr": 0.75,
    "momentum": 0.85,
    "nesterov": True,
    "weight_decay": 0.00133,
    "lr_schedule": "cosine",
    "warmup_epochs": 2,
    "method": "cross_entropy",
    "method_option": ("label_smoothing=0.2",),
    "ema": 0.98,
}
"""What `configs/fast_small.json` holds: few wide layers and a short, steep schedule, in the spirit of airbench
(Jordan, arXiv 2404.00498)."""

CHANGES: dict[str, TrainSettings] = {
    "tiny": SMALL["tiny"],
    "cpu": {"num_planes": 16, "epochs": 5},
    "gpu": {"cache": "device"},
}
"""What each scale changes in the recipe: half the width and half the epochs are minutes on two cores."""


class Seconds(TypedDict):
    """How long a run took [s]: its training alone, and with all that an epoch measures."""

    training: float
    whole: float


class TableOfSeconds(Table):
    """Rows, and how long each of their runs took."""

    seconds: dict[str, list[Seconds]]


class FastSmall(Experiment[TableOfSeconds]):
    """The fast recipe for small images on clean and raw labels: accuracy, and seconds of training."""

    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """The recipe on each label set with each seed."""
        noises = ("clean", "aggregate", "random1", "worst") if config.scale == "gpu" else ("clean", "worst")
        settings: TrainSettings = {**RECIPE, "holdout": 0.02, **CHANGES[config.scale]}
        return [
            Trial(
                f"fast_small, {noise}", human_labels_config(config, noise, f"fast_small-{noise}", seed, **settings)
            )
            for noise in noises
            for seed in seeds_of(config)
        ]

    def conclude(self, table: Table, rows: Sequence[Row], config: ExperimentConfig) -> TableOfSeconds:
        """Images trained on, and the seconds of each run: training alone, and with all that is measured."""
        return {**table, "seconds": {row.name: [_seconds(run.run) for run in row.runs] for row in rows}}

    def remarks(self, table: TableOfSeconds) -> list[str]:
        """How long each kind of run took [s]: mean and each seed's, training alone and with measuring."""
        said = []
        for name, runs in table["seconds"].items():
            training, whole = (
                f"{np.mean(times):.1f} ({', '.join(f'{one:.1f}' for one in times)})"
                for times in ([one["training"] for one in runs], [one["whole"] for one in runs])
            )
            said.append(f"{name}: {training} s of training, {whole} s with all that an epoch measures")
        return said


def _seconds(run: Run) -> Seconds:
    """Of all epochs; one that was cut off and trained again counts once."""
    timings = run.timings.values()
    training = sum(one.train_seconds for one in timings)
    return {"training": training, "whole": training + sum(one.measure_seconds for one in timings)}


PLUGIN = FastSmall
