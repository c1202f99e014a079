"""Residual networks with pre-activation, in their form for 32-pixel images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

_STAGES = {"preact_resnet18": ((2, 2, 2, 2), 64), "preact_resnet32": ((5, 5, 5), 16)}
"""Blocks of each stage, and the channels of the first."""
PREACT_RESNETS = tuple(_STAGES)


def preact_resnet(name: str, num_classes: int, num_planes: int | None = None) -> nn.Module:
    """Build `name`; its first stage has `num_planes` channels, by default 64 or, for `preact_resnet32`, 16.

    `preact_resnet18` is the network of SOP+ and DivideMix; `preact_resnet32` with 32 channels is that of GJS,
    whose authors call it PreActResNet34.
    """
    blocks, width = _STAGES[name]
    return PreActResNet(blocks, num_classes, num_planes or width)


class PreActResNet(nn.Module):
    """The residual network of He et al. (ECCV 2016, arXiv 1603.05027), of blocks norm, ReLU, convolution.

    A stage has twice the channels and half the side of the one before it. As in the paper, the first block and
    those that change the shape are activated before the shortcut branches off, and the last block is followed by
    an activation. The code of SOP and DivideMix has that activation behind the first convolution instead.
    """

    def __init__(self, blocks: tuple[int, ...], num_classes: int, num_planes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, num_planes, 3, 1, 1, bias=False)
        layers: list[nn.Module] = []
        channels = num_planes
        for stage, count in enumerate(blocks):
            for block in range(count):
                width, stride = num_planes << stage, 2 if stage and not block else 1
                layers.append(_PreActBlock(channels, width, stride, branches_behind=not block))
                channels = width
        self.blocks = nn.Sequential(*layers)
        self.bn = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] for images [batch, 3, height, width]."""
        out = F.relu(self.bn(self.blocks(self.conv(x))), inplace=True)
        logits: Tensor = self.head(out.mean(dim=(2, 3)))
        return logits


class _PreActBlock(nn.Module):
    """Two 3x3 convolutions, each behind its norm and ReLU, beside a shortcut: a 1x1 convolution or nothing."""

    def __init__(self, in_channels: int, channels: int, stride: int, *, branches_behind: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
        self.branches_behind = branches_behind

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True))
        shortcut: Tensor = self.shortcut(active if self.branches_behind else x)
        return out + shortcut
