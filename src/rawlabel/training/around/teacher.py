"""A noisy-best teacher and its student (NTS), around any method.

The teacher is a run on the raw labels, and the stopping rule selects its epoch. The student is trained on the
labels that the teacher predicts for the training images, and the same rule selects its epoch on the same raw
holdout. Chen et al., AAAI 2021, arXiv 2012.04193: hard labels, predicted without augmentation; both networks
with the same settings. Published: WideResNet-28-10 at a rate of 0.1, 200 epochs, a tenth of the images held out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import distributed
from rawlabel.base.files import atomic_write
from rawlabel.config import TrainConfig
from rawlabel.errors import DataError
from rawlabel.models.predictor import load_predictor
from rawlabel.training.data import TrainingData
from rawlabel.training.image_cache import images_to_measure
from rawlabel.training.measuring.divergence import refuse_diverged_logits


def labeled_by(teacher: RunDirectory, data: TrainingData, config: TrainConfig) -> TrainingData:
    """`data` with the training labels that the teacher's selected epoch predicts; the holdout stays raw.

    The predictions for all images, held out or not, are kept in the teacher's directory: a student that goes on
    must find the labels it began with. Raises `DataError`, `CheckpointError`, `DiskError`.
    """
    path, everything = teacher.path / "predicted_labels.npy", data.train.join(data.holdout)
    if not distributed.from_first(path.exists):
        predictor, _, epoch = load_predictor(teacher.selected_checkpoint, device=config.device)
        title = "reading images for the teacher"
        images = images_to_measure(everything.source, predictor, config.reading_threads, title)
        with atomic_write(path) as stream:
            logits = refuse_diverged_logits(predictor.logits(images), "training images", epoch)
            np.save(stream, logits.argmax(axis=1).astype(np.int64))
    labels = distributed.from_first(lambda: _read_labels(path, len(everything)))
    return replace(data, train=data.train.relabeled(labels[: len(data.train)]))


def _read_labels(path: Path, count: int) -> npt.NDArray[np.int64]:
    try:
        labels: npt.NDArray[np.int64] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is no NumPy array file; remove it and run the same command again") from error
    if labels.shape != (count,) or labels.dtype != np.int64:
        raise DataError(f"{path}: holds labels of other images; remove it and run the same command again")
    return labels
