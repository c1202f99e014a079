"""What the experiments on CIFAR-10N share: where its files are, and a small recipe for two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rawlabel.config import ExperimentConfig, TrainConfig
from rawlabel.errors import DataError

_TRAIN, _TEST = "train.parquet", "test.parquet"
LABELS = {
    "clean": "clean_label",
    "aggregate": "aggregate_label",
    "random1": "random_label1",
    "worst": "worst_label",
}
"""Label sets of CIFAR-10N (Wei et al., ICLR 2022) by the column of `train.parquet` that holds them."""

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
        "model": "cifar_resnet20",
        "epochs": 40,
        "train_size": 5000,
        "image_size": 16,
        "batch_size": 64,
        "holdout": 0.01,
    },
}
"""Settings with which a training is affordable without a GPU; in `cpu` the holdout is a tenth of the training
images."""


def cifar10n_config(config: ExperimentConfig, noise: str, name: str, seed: int, **settings: Any) -> TrainConfig:
    """A training on the label set `noise` in the run directory OUT/runs/`name`-`seed`."""
    assert config.data is not None
    for file in (_TRAIN, _TEST):
        if not (config.data / file).is_file():
            raise DataError(f"{config.data / file}: no such file; name the folder of CIFAR-10N with --data")
    common: dict[str, Any] = {
        "root": config.data,
        "main": _TRAIN,
        "test": _TEST,
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
