"""Fit what a run knows of its own sureness (`rawlabel.models.calibration`), at the end of its training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import distributed, processes
from rawlabel.images.image_source import LabeledImages
from rawlabel.models.calibration import Calibration, fit_limits, fit_temperature
from rawlabel.models.features import features_heard, joined
from rawlabel.models.predictor import Predictor, load_predictor
from rawlabel.training.data import TrainingData
from rawlabel.training.image_cache import images_to_measure

MOST_IMAGES = 20_000
"""Training images, evenly spread over all, whose features are held in memory for it."""


def calibrate(run: RunDirectory, data: TrainingData, judged: RunDirectory | None = None) -> None:
    """Write the calibration of the weights that `run` selected on `data`, where these are a head's on an encoder.

    A network that is trained on pixels would need another pass over all images. A refit, which has learned what
    was held out, takes the temperature of the run that `judged` by it.
    """
    config = run.read().settings
    if config.encoder is None or distributed.count() > 1:
        return
    predictor, class_ids, _ = load_predictor(run.selected_checkpoint, device=config.device, gpu=config.gpu)
    count = len(data.train)
    rows = np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).astype(np.int64))
    train = data.train.select(rows)
    _, features = _heard(predictor, train, "training")
    if features is None:
        return
    weights = np.ones(len(train)) if train.weights is None else train.weights.astype(np.float64)
    middles, limits, share = fit_limits(features, train.labels, weights, len(class_ids))
    before = Calibration.read(judged.path) if judged is not None else None
    if before is not None:
        temperature, held = before.temperature, before.holdout_images
    else:
        held = len(data.holdout)
        temperature = (
            fit_temperature(_heard(predictor, data.holdout, "holdout")[0], data.holdout.labels) if held else 1.0
        )
    Calibration(temperature, held, share, middles, limits).write(run.path)


def _heard(
    predictor: Predictor, images: LabeledImages, part: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
    """Logits and the input of the last layer for `images`."""
    kept = images_to_measure(images.source, predictor, processes.own_cores(), f"reading {part} images")
    with features_heard(predictor.method) as heard:
        logits = predictor.logits(kept)
    return logits, joined(heard, len(logits))
