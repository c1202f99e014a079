"""A maker of features that counts what it has seen."""

from __future__ import annotations

import numpy as np
import torch

from rawlabel.images.decoding import Pixels

PIXELS = np.random.default_rng(0).integers(0, 255, (10, 6, 6, 3), dtype=np.uint8)


class Maker:
    """Three features an image, and how many images it was asked for."""

    name, key, device = "a maker", "maker 1", torch.device("cpu")

    def __init__(self, ends_after: int = 10**9) -> None:
        self.seen, self.ends_after = 0, ends_after

    def view(self, pixels: Pixels) -> Pixels:
        return pixels

    def __call__(self, views: torch.Tensor) -> torch.Tensor:
        if self.seen >= self.ends_after:
            raise KeyboardInterrupt
        self.seen += len(views)
        return views[:, 0].float().mean(dim=1)
