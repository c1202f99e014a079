"""What the experiments on human labels share: where their files are, and small recipes for two cores."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.base.files import atomic_write
from rawlabel.config import ExperimentConfig, TrainConfig
from rawlabel.errors import DataError
from rawlabel.experiments.train_settings import TrainSettings

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

SMALL: dict[str, TrainSettings] = {
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

SMALLER: dict[str, TrainSettings] = {
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
    config: ExperimentConfig,
    noise: str,
    name: str,
    seed: int,
    set_name: str = "CIFAR-10N",
    **settings: Unpack[TrainSettings],
) -> TrainConfig:
    """A training on the label set `noise` of `set_name` in the run directory OUT/runs/`name`-`seed`.

    Raises `DataError` when the files are not there.
    """
    assert config.data is not None
    for file in (_TRAIN, _TEST):
        if not (config.data / file).is_file():
            raise DataError(f"{config.data / file}: no such file; name the folder of {set_name} with --data")
    test_size = settings.pop("test_size", None)
    common = {
        "root": config.data,
        "main": _TRAIN,
        "test": _TEST if test_size is None else str(_smaller_test_set(config, test_size, set_name)),
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
    return TrainConfig.model_validate({**common, **settings})


def _smaller_test_set(config: ExperimentConfig, count: int, set_name: str) -> Path:
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
            f"{set_name} with --data"
        ) from error
    rng = np.random.default_rng(0)
    classes = np.unique(labels)
    rows = [rng.permutation(np.flatnonzero(labels == one))[: count // len(classes)] for one in classes]
    with atomic_write(path) as stream:
        pq.write_table(table.take(pa.array(np.sort(np.concatenate(rows)))), stream)
    return path
