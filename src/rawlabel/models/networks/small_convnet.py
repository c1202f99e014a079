"""A plain convolutional network for images of 24 to 64 pixels, made to learn in few epochs.

It takes the ideas of Jordan's airbench (arXiv 2404.00498, section 3): few wide layers, pooling early in each
stage, normalization without a scale, convolutions that begin as the identity, small logits. Its first layer is
learned instead of computed from the images, and its width is half of theirs by default, for a processor's sake.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

SMALL_CONVNET = "small_convnet"
_STEM = 24
"""Channels behind the first layer."""
_LOGIT_SCALE = 1 / 9
"""Factor of the logits; small ones let a high learning rate begin without a spike of the loss."""
_RUNNING_SHARE = 0.4
"""Share of a batch in the running statistics of normalization: high, since a run has few steps."""


class SmallConvNet(nn.Module):
    """Three stages of two convolutions, of `num_planes`, 4 x and 4 x as many channels."""

    def __init__(self, num_classes: int, num_planes: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _STEM, 2)
        widths = (_STEM, num_planes, 4 * num_planes, 4 * num_planes)
        self.stages = nn.Sequential(*(_Stage(widths[i], widths[i + 1]) for i in range(3)))
        self.head = nn.Linear(widths[-1], num_classes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] for images [batch, 3, height, width]."""
        out = self.stages(F.relu(self.stem(x), inplace=True))
        # Before the head, whose outputs are then the logits, as gradient-weight alignment takes them to be.
        return cast(Tensor, self.head(out.amax(dim=(2, 3)) * _LOGIT_SCALE))


class _Stage(nn.Module):
    """Convolution, pooling to half the side, convolution; each normalized."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = _convolution(in_channels, channels), _normalization(channels)
        self.conv2, self.norm2 = _convolution(channels, channels), _normalization(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.norm1(F.max_pool2d(self.conv1(x), 2)), inplace=True)
        return F.relu(self.norm2(self.conv2(out)), inplace=True)


def _convolution(in_channels: int, channels: int) -> nn.Conv2d:
    """A 3x3 convolution whose first output channels begin as its input channels."""
    convolution = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[:in_channels])
    return convolution


def _normalization(channels: int) -> nn.BatchNorm2d:
    normalization = nn.BatchNorm2d(channels, momentum=_RUNNING_SHARE)
    # The next convolution can learn the scale; without a second one, fewer parameters fight over it.
    normalization.weight.requires_grad_(False)
    return normalization
