"""What each raw label counts in training (`--weighing`), kept beside the run with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from rawlabel.artifacts.evidence.label_weights import AGREE, DOUBT, FILE, HOLDOUT, TRAIN
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.split import folds
from rawlabel.base import distributed, families
from rawlabel.base.files import atomic_write
from rawlabel.config import TrainConfig, load_options
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.models.device import choose_device
from rawlabel.models.method import Method
from rawlabel.models.predictor import Predictor
from rawlabel.models.transfer.agreement import FOLDS, Agreement, agree, directions
from rawlabel.models.transfer.encoded_views import encoding_store, refuse_pixels
from rawlabel.training.data import TrainingData

_LEAST = 0.5
"""With `agreement`, the share of the likeliest class's that a raw label must have to be kept."""


def weights_path(run: RunDirectory) -> Path:
    """Where a run keeps the weights of its raw labels."""
    return run.path / FILE


def require(config: TrainConfig) -> None:
    """Raise `ConfigError` or `PluginError` for settings that a weighed head cannot be trained with."""
    refuse_pixels(config)
    choose_device(config.device, config.gpu)
    method_type: type[Method[Any]] = families.load(families.Family.METHOD, config.method)
    load_options(method_type.Options, config.method_option, "--method-option")
    _refuse_heedless(method_type)


def _refuse_heedless(method_type: type[Method[Any]]) -> None:
    if not method_type.heeds_weights:
        raise ConfigError(
            "--weighing: this --method does not weigh images; use --weighing none, or one of cross_entropy, gce, "
            "sce and elr"
        )


def weigh(data: TrainingData, config: TrainConfig, run: RunDirectory) -> TrainingData:
    """`data` with what each raw label counts, which is found out unless `run` has it.

    Training photos and the holdout are weighed each among themselves, so that what is held out has no part in what
    is trained on; the holdout's weights count in a refit alone. Raises what reading the images raises.
    """
    path = weights_path(run)
    if not distributed.from_first(path.exists):
        store = encoding_store(config, choose_device(config.device, config.gpu))
        parts = {TRAIN: data.train, HOLDOUT: data.holdout}
        kept = {part: store.features(one.source, f"features of {part} images") for part, one in parts.items()}
        distributed.from_first(
            lambda: _write(path, data, {
                part: _agreement(kept[part].numpy(), one, len(data.class_ids), config)
                for part, one in parts.items() if len(one)
            }, config)
        )  # fmt: skip
    found = distributed.from_first(lambda: _read(path, data))
    return replace(
        data,
        train=replace(data.train, weights=found[: len(data.train)]),
        holdout=replace(data.holdout, weights=found[len(data.train) :]),
    )


def weights_for_steps(images: LabeledImages, predictor: Predictor) -> Tensor | None:
    """What each training image counts, 1 in the mean, on the device; None where all count the same.

    Raises `ConfigError` for a method that cannot heed it.
    """
    if images.weights is None:
        return None
    _refuse_heedless(type(predictor.method))
    weights = torch.from_numpy(images.weights).float()
    return (weights / weights.mean()).to(predictor.device)


def describe(run: RunDirectory) -> str:
    """One line: how many training labels the witnesses agree with, and what all count together."""
    table = pq.read_table(weights_path(run), filters=[("part", "=", TRAIN)])
    weights, reasons = table["weight"].to_numpy(), table["reason"].to_pylist()
    return (
        f"weighing: neighbors and head agree with {reasons.count(AGREE)} of {len(reasons)} raw labels; together "
        f"they count as {weights.sum():.0f}; all are in {weights_path(run)}"
    )


def _agreement(
    features: npt.NDArray[np.float32], images: LabeledImages, num_classes: int, config: TrainConfig
) -> Agreement:
    numbers = folds(images.keys_or_names(), config.seed_of_data, FOLDS)
    return agree(
        directions(features, features.mean(axis=0)),
        images.labels,
        num_classes,
        numbers,
        rounds=config.weighing_rounds,
        neighbors=config.weighing_neighbors,
        power=config.weighing_power,
    )


def _write(path: Path, data: TrainingData, found: dict[str, Agreement], config: TrainConfig) -> None:
    """One row a photo, first those that are trained on."""
    names = np.array(data.class_ids, dtype=object)
    tables = []
    for part, agreement in found.items():
        images = data.train if part == TRAIN else data.holdout
        rows, likeliest = np.arange(len(images)), agreement.likeliest
        weights = agreement.weights
        if config.weighing == "agreement":
            weights = (weights > _LEAST**config.weighing_power).astype(np.float64)
        if not weights.any():
            # Of a handful of photos none may agree; a mean over nothing would be no number.
            weights = np.ones(len(images))
        tables.append(
            pa.table(
                {
                    "name": images.names(),
                    "part": [part] * len(images),
                    "label": names[images.labels].tolist(),
                    "weight": weights,
                    "reason": np.where(likeliest == images.labels, AGREE, DOUBT).tolist(),
                    "likeliest": names[likeliest].tolist(),
                    "label_share_of_neighbors": agreement.neighbors[rows, images.labels],
                    "label_probability_of_head": agreement.head[rows, images.labels],
                }
            )
        )
    with atomic_write(path) as stream:
        pq.write_table(pa.concat_tables(tables), stream)


def _read(path: Path, data: TrainingData) -> npt.NDArray[np.float32]:
    """The weights of training photos and then of the holdout. Raises `DataError` where they are of others."""
    try:
        table = pq.read_table(path, columns=["name", "weight"])
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: is missing or damaged; remove it and run the same command again, which weighs anew"
        ) from error
    if table["name"].to_pylist() != [*data.train.names(), *data.holdout.names()]:
        raise DataError(f"{path}: is about other images; remove it, or choose another --outpath")
    weights: npt.NDArray[np.float32] = table["weight"].to_numpy().astype(np.float32)
    return weights
