"""How sure a finished run may be: a temperature for its probabilities, and when a photo is none of the classes.

Both come from raw labels and lie beside the run as `calibration.json`. The temperature fits the raw labels that
were held out, so a probability is that of the raw label: where labels are wrong, it is too low for the right one.
A photo is `none of these` where it is farther from the middle of every class than nearly all photos of its core;
the share of the training photos of which that is so is stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from rawlabel.base.files import read_json, write_json
from rawlabel.errors import DataError
from rawlabel.models.transfer.likeness import find_cores
from rawlabel.models.transfer.strays import LIMIT, strays

FILE = "calibration.json"
NONE_OF_THESE = "none of these"
"""What stands in the place of a class."""
STRAYED = 3.5
"""Spreads of a class's core below what is usual in it, from which on a photo is not like the class. Picked on one
simulated site."""
_DIGITS = 5
_HOTTEST = 20.0

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a run knows of its own sureness."""

    temperature: float
    """What logits are divided by; above 1 the network was too sure of the raw labels."""
    holdout_images: int
    """Held-out photos that the temperature was fitted to."""
    share: float
    """Of the training photos, by their weights, that are like no class."""
    middles: Floats
    """Direction of each class [classes, features], of the input of the last layer."""
    limits: Floats
    """The least cosine with each middle [classes] of a photo of that class."""

    def probabilities(self, logits: npt.NDArray[np.float32]) -> Floats:
        """Probabilities [images, classes] at the temperature."""
        scaled: Floats = softmax(logits.astype(np.float64) / self.temperature, axis=1)
        return scaled

    def is_none(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Which images [images, features] are like no class."""
        below: npt.NDArray[np.bool_] = _directions(features) @ self.middles.T < self.limits
        unlike: npt.NDArray[np.bool_] = np.all(below, axis=1)
        return unlike

    def write(self, run: Path) -> None:
        """Put it beside the run, as `calibration.json`."""
        write_json(
            run / FILE,
            {
                "temperature": self.temperature,
                "fitted_to": f"raw labels of {self.holdout_images} held-out images, some of which may be wrong",
                "holdout_images": self.holdout_images,
                "none_of_these": {
                    "rule": "the cosine with the middle of every class is below that class's limit",
                    "share_of_training_images": self.share,
                    "limits": self.limits.round(_DIGITS).tolist(),
                    "middles": self.middles.round(_DIGITS).tolist(),
                },
            },
        )

    @classmethod
    def read(cls, run: Path) -> Calibration | None:
        """That of a run; None where it has none. Raises `DataError` for a damaged file."""
        path = run / FILE
        if not path.exists():
            return None
        saved: Any = read_json(path, "the calibration of a run")
        try:
            none = saved["none_of_these"]
            return cls(
                float(saved["temperature"]),
                int(saved["holdout_images"]),
                float(none["share_of_training_images"]),
                np.array(none["middles"], dtype=np.float64),
                np.array(none["limits"], dtype=np.float64),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: is no calibration of a run; remove it, or train again") from error


def fit_temperature(logits: npt.NDArray[np.float32], labels: Labels) -> float:
    """The temperature at which `logits` [photos, classes] of held-out photos make their raw `labels` likeliest.

    Guo et al., "On calibration of modern neural networks", arXiv 1706.04599, section 4.2; 1 without photos.
    """
    if not len(labels):
        return 1.0
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        said = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
        return float(-said[rows, labels].mean())

    furthest = float(np.log(_HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=(-furthest, furthest), method="bounded").x))


def fit_limits(
    features: npt.NDArray[np.float32], labels: Labels, weights: Floats, num_classes: int
) -> tuple[Floats, Floats, float]:
    """Middles [classes, features] of `features` [photos, features], limits [classes], and whom they turn away.

    That is the share of the photos, by their weights, that are like no class. Photos count as little as their
    `weights` say, and what strays from a class moves neither its middle nor its limit.
    """
    pointed = _directions(features)
    # A compact group of another thing would move the middle more than its number.
    is_own = strays(pointed, labels, weights, num_classes) < LIMIT
    cores = find_cores(pointed, labels, weights * is_own, num_classes)
    limits = np.nan_to_num(cores.usual - STRAYED * cores.spread, nan=np.inf)
    turned = np.all(cores.cosines < limits, axis=1)
    return cores.middles, limits, float(weights[turned].sum() / max(float(weights.sum()), 1e-12))


def _directions(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    scaled: npt.NDArray[np.float32] = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return scaled
