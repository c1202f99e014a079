"""Mean and deviation of pixels: what a network sees images relative to.

They belong to the weights: published ones expect those they were trained with, so a run that begins with them
takes these over. Files of weights note them beside the settings (`checkpoint`), and whoever loads the weights has
them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rawlabel.models.checkpoint import NormalizationFacts, WeightsFacts
from rawlabel.models.device import CopyStream

Channels = tuple[float, float, float]
"""Red, green, blue, as shares of the largest value."""


@dataclass(frozen=True)
class Normalization:
    """A pixel x is seen as (x / 255 - mean) / std, channel by channel."""

    mean: Channels
    std: Channels

    def as_json(self) -> NormalizationFacts:
        """Plain values, as weights files note them."""
        return {"mean": self.mean, "std": self.std}

    @classmethod
    def of_weights_file(cls, facts: WeightsFacts) -> Normalization:
        """What the facts of a weights file note; ImageNet's where they note none, as in older versions."""
        noted = facts.get("normalization")
        return cls(_channels(noted["mean"]), _channels(noted["std"])) if noted else IMAGENET


def _channels(values: Sequence[float]) -> Channels:
    red, green, blue = values
    return red, green, blue


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""That of ImageNet's pixels, which the published trainer uses for all networks."""


class Normalizer:
    """uint8 [batch, size, size, 3] to float [batch, 3, size, size] in channels-last memory, on the device."""

    def __init__(self, image_size: int, device: torch.device, normalization: Normalization = IMAGENET) -> None:
        self._image_size, self._device, self._copies = image_size, device, CopyStream(device)
        self.use(normalization)

    def use(self, normalization: Normalization) -> None:
        """Normalise by other values from now on: those of weights that are loaded."""
        self.normalization = normalization
        mean, std = torch.tensor(normalization.mean), torch.tensor(normalization.std)
        # One row of the image as one inner dimension: broadcasting over the three channels alone is slow.
        self._scale = (1 / (255 * std)).repeat(self._image_size).to(self._device)
        self._shift = (-mean / std).repeat(self._image_size).to(self._device)

    def __call__(self, views: Tensor) -> Tensor:
        """Normalise one batch of views."""
        batch, height, width, channels = views.shape
        rows = self._copies.send(views).view(batch, height, width * channels)
        # Views smaller than the largest take the beginning of the repeated row.
        scale, shift = self._scale[: width * channels], self._shift[: width * channels]
        scaled = torch.addcmul(shift, rows.float(), scale)
        return scaled.view(batch, height, width, channels).permute(0, 3, 1, 2)
