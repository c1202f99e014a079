"""Mean and deviation of pixels: what a network sees images relative to.

They belong to the weights: published ones expect those they were trained with, so a run that begins with them
takes these over. Files of weights note them beside the settings (`checkpoint`), and whoever loads the weights has
them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

Channels = tuple[float, float, float]
"""Red, green, blue, as shares of the largest value."""


@dataclass(frozen=True)
class Normalization:
    """A pixel x is seen as (x / 255 - mean) / std, channel by channel."""

    mean: Channels
    std: Channels

    def as_json(self) -> dict[str, Any]:
        """Plain values, as weights files note them."""
        return asdict(self)

    @classmethod
    def of_weights_file(cls, facts: Mapping[str, Any]) -> Normalization:
        """What the facts of a weights file note; ImageNet's where they note none, as in older versions."""
        noted = facts.get("normalization")
        return cls(tuple(noted["mean"]), tuple(noted["std"])) if noted else IMAGENET


IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""That of ImageNet's pixels, which the published trainer uses for all networks."""
