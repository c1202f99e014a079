"""The network that is trained on features: a linear layer, or two with a hidden one between."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALE = 16.0
"""Length of what the layers see: about the root of some hundred features, for which usual rates are right."""


class FeatureHead(nn.Module):
    """Logits of features that are centred by the training images' mean and brought to one length.

    Or, with `by_deviation`, each feature is divided by its deviation on the training images.
    """

    mean: Tensor
    rate: Tensor

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        hidden: int = 0,
        dropout: float = 0.0,
        *,
        by_deviation: bool = False,
    ) -> None:
        """`hidden` is the width of a layer in between, 0 for none."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.by_deviation = by_deviation
        if by_deviation:
            # What brings each feature to the deviation that it has, on average, in one of length 1.
            self.register_buffer("rate", torch.ones(num_features))
        layers: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
        if hidden:
            layers += [nn.Linear(num_features, hidden), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden or num_features, num_classes))
        if not hidden:
            # Every class begins with the same logit, so that what is fitted first is no draw.
            nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Logits [batch, classes] for features [batch, features]."""
        centred = features - self.mean
        seen = centred * self.rate if self.by_deviation else F.normalize(centred, dim=1)
        logits: Tensor = self.layers(SCALE * seen)
        return logits


def centre(network: nn.Module, mean: Tensor, deviation: Tensor) -> None:
    """Give every head in `network` mean and deviation of each feature on the training images."""
    for module in network.modules():
        if isinstance(module, FeatureHead):
            module.mean.copy_(mean)
            if module.by_deviation:
                spread = deviation * len(deviation) ** 0.5
                module.rate.copy_(torch.where(spread > 0, 1 / spread.clamp(min=1e-12), 0))
