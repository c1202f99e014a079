"""What the selected weights of a finished run say of the photos that the run held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import processes
from rawlabel.config import Device
from rawlabel.errors import DataError
from rawlabel.models.features import features_heard, joined
from rawlabel.models.predictor import load_predictor
from rawlabel.training.around.confident_learning import kept_by
from rawlabel.training.around.leaving_out import as_trained
from rawlabel.training.around.refit import with_holdout
from rawlabel.training.data import TrainingData, load_training_data
from rawlabel.training.image_cache import images_to_measure


@dataclass(frozen=True, eq=False)
class HoldoutOutput:
    """Logits and features of held-out photos, in the order of the run's holdout."""

    class_ids: tuple[str, ...]
    photos: tuple[str, ...]
    """The images' names, the same in every run on the data."""
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32] | None
    """Input of the last linear layer [photos, features]; None for a network that does not end in one."""


def predict_holdout(run: RunDirectory, device: Device = "auto") -> HoldoutOutput:
    """Load the selected weights and classify the run's own holdout.

    Raises `DataError` when the run is not finished, held nothing out, or its data have changed since, and
    `CheckpointError`.
    """
    data = data_of_run(run)
    if not len(data.holdout):
        raise DataError(
            f"{run.path}: held nothing out; train again with --holdout above 0, or name the run of which this is "
            "the refit"
        )
    predictor, class_ids, _ = load_predictor(run.selected_checkpoint, device=device)
    images = images_to_measure(data.holdout.source, predictor, processes.own_cores(), "reading holdout images")
    with features_heard(predictor.method) as heard:
        logits = predictor.logits(images)
    names = tuple(data.holdout.names())
    return HoldoutOutput(tuple(class_ids), names, data.holdout.labels, logits, joined(heard, len(logits)))


def data_of_run(run: RunDirectory) -> TrainingData:
    """The data of a finished run, as they were, without what confident learning left out.

    Raises `DataError` when they have changed, and for settings of a newer version.
    """
    finished = run.read()
    config, fingerprint = finished.settings, finished.summary.data
    data = as_trained(finished, load_training_data(config))
    if data.fingerprint != fingerprint:
        raise DataError(f"{data.origin}: has changed since {run.path} was trained on it; train again")
    data = replace(data, train=kept_by(run, data.train)) if config.confident_learning else data
    # A refit has learned the holdout, which can judge nothing any more.
    return with_holdout(data) if finished.last_start.holdout_images == 0 and len(data.holdout) else data
