"""Photo and mirror image as one view: features are the mean of those of both."""

from __future__ import annotations

from torch import Tensor, nn


class BothSides(nn.Module):
    """A network that is asked about each image and about its mirror image, one after the other."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Mean features [batch, features], in float32, of normalised images [batch, 3, side, side] and theirs."""
        # Two batches of the same size, not one of twice as many: so an image and its mirror image get equal
        # features to the bit, and no more memory is needed.
        mean: Tensor = (self.network(images).float() + self.network(images.flip(-1)).float()) / 2
        return mean
