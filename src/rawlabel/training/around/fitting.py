"""The side of an encoder's views, where it is left to the images (`--encoder efficientnet_lite0@fit`)."""

from __future__ import annotations

import numpy as np

from rawlabel.base.image_header import NotDecodable, shorter_side
from rawlabel.config import TrainConfig
from rawlabel.errors import DataError
from rawlabel.images.image_source import ImageSource
from rawlabel.models.encoder import fitted_encoder
from rawlabel.training.data import TrainingData

_ASKED = 101
"""Images whose sides are looked at."""


def with_fitting_views(config: TrainConfig, data: TrainingData) -> TrainConfig:
    """`config` with views that fit the training images of `data`, for good: the run's settings name them."""
    if config.encoder is None:
        return config
    name = fitted_encoder(config.encoder, lambda: usual_shorter_side(data.train.source))
    return config if name == config.encoder else config.model_copy(update={"encoder": name})


def usual_shorter_side(source: ImageSource) -> float:
    """Median shorter side [pixels] of images spread over `source`, by their headers; damaged ones are passed over.

    Infinite where none can be read, which is for those to say who want to see it.
    """
    found = []
    for row in np.unique(np.linspace(0, len(source) - 1, min(_ASKED, len(source))).astype(np.int64)).tolist():
        try:
            found.append(shorter_side(source.read(row)))
        except (DataError, NotDecodable):
            continue
    return float(np.median(found)) if found else float("inf")
