"""Classify images with a finished run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.special import softmax

from rawlabel import processes
from rawlabel.config import PredictConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.run_directory import RunDirectory
from rawlabel.train.correctness import count_unanswered
from rawlabel.train.image_source import ImageFiles
from rawlabel.train.images import Images
from rawlabel.train.inputs.class_folders import EXTENSIONS
from rawlabel.train.predictor import load_predictor


@dataclass(frozen=True, slots=True)
class Prediction:
    """One guess for one image; `probability` is the network's own, and not calibrated."""

    path: Path
    class_id: str
    probability: float


def predict(config: PredictConfig) -> Iterator[Prediction]:
    """Yield the `config.top` best classes of each image, best first, as batches are done.

    Raises `ConfigError`, `DataError` that names an image that cannot be read, and `CheckpointError`.
    """
    if config.run is None or not config.images:
        raise ConfigError("RUN IMAGE: name a run directory and images, folders, or `-` for paths from a pipe")
    run = RunDirectory.existing(config.run)
    predictor, class_ids, _ = load_predictor(run.selected_checkpoint, precision=config.precision)
    waiting = _expand(config.images)
    while paths := list(islice(waiting, config.batch_size)):
        images = Images(ImageFiles(paths), predictor.transform.stored_side, processes.own_cores())
        logits = predictor.logits(images, config.batch_size)
        if count_unanswered(logits):
            raise DataError(f"{run.path}: its network has diverged and says NaN; train again with a lower --lr")
        probabilities = softmax(logits, axis=1)
        for path, own, row in zip(paths, logits, probabilities, strict=True):
            for index in np.argsort(-own, kind="stable")[: config.top]:
                yield Prediction(path, class_ids[index], float(row[index]))


def _expand(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        if name == "-":
            yield from (Path(line.rstrip("\n")) for line in sys.stdin if line.strip())
            continue
        path = Path(name)
        if not path.exists():
            raise DataError(f"{path}: no such image or folder; check the path")
        if path.is_dir():
            found = sorted(one for one in path.rglob("*") if one.suffix.lower() in EXTENSIONS)
            if not found:
                raise DataError(f"{path}: holds no images; name another folder")
            yield from found
        else:
            yield path
