"""Networks by name: torchvision's, timm's, and small residual networks for small images."""

from __future__ import annotations

import re
import urllib.error

import torch.nn.functional as F
from torch import Tensor, nn

from rawlabel.errors import ConfigError, did_you_mean

CIFAR_RESNETS = ("cifar_resnet8", "cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56")


def build_network(name: str, num_classes: int, *, pretrained: bool = False) -> nn.Module:
    """Build the network `name` with `num_classes` outputs.

    A name that both libraries have means torchvision's, which the published trainer uses;
    `timm/<name>` and `torchvision/<name>` say which. Raises `ConfigError` that suggests the nearest name,
    or says that the weights cannot be had.
    """
    library, _, bare = name.rpartition("/")
    small = re.fullmatch(r"cifar_resnet(\d+)", name)
    try:
        if small and name in CIFAR_RESNETS:
            if pretrained:
                raise ConfigError(f"--pretrained: {name} has no published weights; leave the flag out")
            return CifarResNet(int(small[1]), num_classes)
        if library in ("", "torchvision") and (network := _torchvision(bare, num_classes, pretrained)):
            return network
        if library in ("", "timm") and (network := _timm(bare, num_classes, pretrained)):
            return network
    except (urllib.error.URLError, OSError) as error:
        raise ConfigError(
            f"--pretrained: the weights of {name} cannot be downloaded ({type(error).__name__}); "
            "check the network or leave the flag out"
        ) from error
    raise ConfigError(f"--model: no network is called '{name}'{did_you_mean(name, _known_names())}")


def _torchvision(name: str, num_classes: int, pretrained: bool) -> nn.Module | None:
    from torchvision import models

    if name not in models.list_models(module=models):
        return None
    if not pretrained:
        fresh: nn.Module = models.get_model(name, num_classes=num_classes)
        return fresh
    network: nn.Module = models.get_model(name, weights="DEFAULT")
    _replace_head(network, num_classes)
    return network


def _replace_head(network: nn.Module, num_classes: int) -> None:
    """Swap the last linear layer, which torchvision's weights bind to 1,000 classes."""
    name, last = [(key, layer) for key, layer in network.named_modules() if isinstance(layer, nn.Linear)][-1]
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Linear(last.in_features, num_classes))


def _timm(name: str, num_classes: int, pretrained: bool) -> nn.Module | None:
    import timm

    if not timm.is_model(name):
        return None
    network: nn.Module = timm.create_model(name, num_classes=num_classes, pretrained=pretrained)
    return network


def _known_names() -> list[str]:
    import timm
    from torchvision import models

    return [*CIFAR_RESNETS, *models.list_models(module=models), *timm.list_models()]


class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut that subsamples and pads with zeros (option A of the paper)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride, self.padding = stride, (channels - in_channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = self.bn2(self.conv2(out))
        if self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(out + x, inplace=True)


class CifarResNet(nn.Module):
    """The residual network for 32-pixel images of He et al. (arXiv 1512.03385, section 4.2): 6n+2 layers."""

    def __init__(self, depth: int, num_classes: int) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        layers: list[nn.Module] = []
        channels = 16
        for stage, width in enumerate((16, 32, 64)):
            for block in range(blocks):
                layers.append(_BasicBlock(channels, width, 2 if stage and not block else 1))
                channels = width
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] for images [batch, 3, height, width]."""
        out = self.blocks(F.relu(self.bn(self.conv(x)), inplace=True))
        logits: Tensor = self.head(out.mean(dim=(2, 3)))
        return logits
