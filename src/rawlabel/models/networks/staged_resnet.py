"""Residual networks of torchvision's blocks with two further freedoms: width, and a stem for small images."""

from __future__ import annotations

import re
from typing import Any

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
CIFAR_STEM_RESNETS = ("cifar_stem_resnet18", "cifar_stem_resnet34", "cifar_stem_resnet50")
"""The ResNets of papers on CIFAR (as in arXiv 2110.12088): a 3x3 first convolution of stride 1, and no pooling
behind it, so that 32-pixel images keep their size up to the second stage."""


def has_stages(name: str) -> bool:
    """Whether `name` is a network that `staged_resnet` builds."""
    return name in CIFAR_STEM_RESNETS or name in {f"resnet{depth}" for depth in _BLOCKS}


def staged_resnet(name: str, num_classes: int, num_planes: int = 64, **options: Any) -> nn.Module:
    """Build `name` with stages of 1, 2, 4 and 8 times `num_planes` channels; torchvision's own have 64.

    `options` go to torchvision's `ResNet`.
    """
    network = _StagedResNet(int(re.sub(r"\D", "", name)), num_classes, num_planes, options)
    if name in CIFAR_STEM_RESNETS:
        network.conv1 = nn.Conv2d(3, num_planes, 3, 1, 1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
        network.maxpool = nn.Identity()
    return network


class _StagedResNet(ResNet):  # type: ignore[misc]
    """torchvision's network, whose constructor knows one width, with its layers made anew at another."""

    def __init__(self, depth: int, num_classes: int, num_planes: int, options: dict[str, Any]) -> None:
        block, counts = (BasicBlock if depth < 50 else Bottleneck), _BLOCKS[depth]
        super().__init__(block, list(counts), num_classes=num_classes, **options)
        if num_planes == 64:
            return
        dilations = options.get("replace_stride_with_dilation") or (False, False, False)
        self.inplanes, self.dilation = num_planes, 1
        self.conv1 = nn.Conv2d(3, num_planes, 7, 2, 3, bias=False)
        self.bn1 = self._norm_layer(num_planes)
        for stage, count in enumerate(counts):
            stride, dilate = (1, False) if stage == 0 else (2, dilations[stage - 1])
            layer = self._make_layer(block, num_planes << stage, count, stride=stride, dilate=dilate)
            setattr(self, f"layer{stage + 1}", layer)
        self.fc = nn.Linear((num_planes << 3) * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
