"""The network that is trained on features: a linear layer, or two with a hidden one between."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rawlabel.images.kept_features import KeptFeatures

SCALE = 16.0
"""Length of what the layers see: about the root of some hundred features, for which usual rates are right."""
_SHORTEST = 1e-12
"""Length below which features are not made longer, as in torch's `normalize`."""


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
        logits: Tensor = self.layers(self._seen(features - self.mean))
        return logits

    def _seen(self, centred: Tensor) -> Tensor:
        """What the layers see of features less their mean, which are overwritten where no gradient needs them.

        New memory for each step of it takes a kept batch longer than the layers do; the numbers are the same to
        the bit, `SCALE` being a power of two.
        """
        if centred.requires_grad:
            return SCALE * (centred * self.rate if self.by_deviation else F.normalize(centred, dim=1))
        if self.by_deviation:
            return centred.mul_(self.rate).mul_(SCALE)
        return centred.div_(torch.linalg.vector_norm(centred, dim=1, keepdim=True).clamp_min(_SHORTEST) / SCALE)


def centre(network: nn.Module, train: KeptFeatures) -> None:
    """Give every head in `network` the mean of each feature on the training images, and what else it goes by."""
    mean, heads = train.mean(), [one for one in network.modules() if isinstance(one, FeatureHead)]
    for head in heads:
        head.mean.copy_(mean)
    if any(head.by_deviation for head in heads):
        spread = train.deviation() * train.num_features**0.5
        rate = torch.where(spread > 0, 1 / spread.clamp(min=1e-12), 0)
        for head in heads:
            head.rate.copy_(rate)
