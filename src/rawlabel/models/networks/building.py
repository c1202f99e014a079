"""Networks by name: torchvision's, timm's, and small residual networks for small images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError, did_you_mean
from rawlabel.models.encoders._weights import hub_errors
from rawlabel.models.networks.normalization import Normalization

# What the published default `--model resnet` means: the network of the paper.
_ALIASES = {"resnet": "resnet50"}
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")
_OF_GOOGLE = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""That of the two's published weights, to which torchvision turns ImageNet's inside the network."""
CIFAR_RESNETS = ("cifar_resnet8", "cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56")


def load_network_options(config: TrainConfig) -> dict[str, Any]:
    """The options of the network's constructor that --model-config and --num-planes give.

    Values are JSON where they can be read as such, else texts. Raises `ConfigError`.
    """
    options: dict[str, Any] = {}
    for pair in config.network_config:
        key, equals, value = pair.partition("=")
        if pair.lstrip().startswith("{"):
            options |= _json_object(pair)
        elif equals:
            options[key.strip()] = _json_or_text(value.strip())
        else:
            raise ConfigError(f"--model-config {pair}: should have the form KEY=VALUE, or be a JSON object")
    if "num_classes" in options:
        raise ConfigError("--model-config: num_classes comes from the data; leave it out or use --num-classes")
    if config.num_planes is not None:
        options["num_planes"] = config.num_planes
    return options


def build_network(
    name: str,
    num_classes: int,
    *,
    pretrained: bool = False,
    options: Mapping[str, Any] | None = None,
    image_size: int | None = None,
) -> nn.Module:
    """Build the network `name` with `num_classes` outputs; `options` go to its constructor.

    Of these, `num_planes` is the width of the first stage [channels]. A name that both libraries have means
    torchvision's, which the published trainer uses; `timm/<name>` and `torchvision/<name>` say which. Where the
    side of its images [pixels] is known, a network that is made for one side is made for that. Raises
    `ConfigError` that suggests the nearest name, or says that the weights cannot be had, an option is unknown, or
    the network takes no images of that side.
    """
    name = _ALIASES.get(name, name)
    given = dict(options or {})
    try:
        network = _build(name, num_classes, pretrained, given, image_size)
    except hub_errors() as error:
        raise ConfigError(
            f"--pretrained: the weights of {name} cannot be downloaded ({type(error).__name__}); "
            "check the network or leave the flag out"
        ) from error
    except (TypeError, ValueError, NotImplementedError, AssertionError) as error:
        if image_size is not None and not given:
            raise _other_size(name, image_size, error) from error
        if not given:
            raise
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"--model-config: {name} does not take {json.dumps(given)} ({reason}); mend it"
        ) from error
    if network is None:
        raise ConfigError(f"--model: no network is called '{name}'{did_you_mean(name, _known_names())}")
    if (head := last_linear(network)) is not None:
        head[1].register_forward_hook(answer_in_fp32)
    if image_size is not None:
        refuse_size(network, name, image_size)
    return network


def refuse_size(network: nn.Module, name: str, image_size: int, flag: str = "--image-size") -> None:
    """Raise `ConfigError` that names `flag` unless the network classifies an image of that side [pixels]."""
    was_training = network.training
    network.eval()
    try:
        # Not in inference mode, for some networks keep what they compute at a size they see for the first time.
        with torch.no_grad():
            network(torch.zeros(1, 3, image_size, image_size))
    except torch.OutOfMemoryError:
        # Nothing about the side: what does not fit is told by whoever asks for it in earnest.
        return
    except (RuntimeError, AssertionError, ValueError, IndexError, TypeError) as error:
        raise _other_size(name, image_size, error, flag) from error
    finally:
        network.train(was_training)


def _other_size(name: str, image_size: int, error: Exception, flag: str = "--image-size") -> ConfigError:
    reason = " ".join(str(error).split())[:200]
    return ConfigError(f"{flag} {image_size}: {name} takes no images of this side ({reason}); try another side")


def answer_in_fp32(head: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
    """Outside training, compute the last layer in fp32 whatever the rest is in.

    With the eight bits of bfloat16, the two best logits of some images in a thousand would be equal.
    """
    if head.training or output.dtype == torch.float32 or not torch.is_autocast_enabled(output.device.type):
        return None
    with torch.autocast(output.device.type, enabled=False):
        return F.linear(inputs[0].float(), head.weight, head.bias)


def published_normalization(network: nn.Module, name: str) -> Normalization:
    """What the published weights of `network`, which `build_network` made by that name, expect of pixels.

    Source: `timm.data.resolve_model_data_config`, which reads a network's `pretrained_cfg`; for torchvision's, the
    transforms that come with the weights.
    """
    if hasattr(network, "pretrained_cfg"):
        from timm.data.config import resolve_model_data_config

        expected = resolve_model_data_config(network)
        return Normalization(tuple(expected["mean"]), tuple(expected["std"]))
    from torchvision import models

    name = _ALIASES.get(name, name).removeprefix("torchvision/")
    if name in _WITH_AUXILIARY_HEADS:
        return _OF_GOOGLE
    weights = models.get_model_weights(name)
    views = weights.DEFAULT.transforms()
    return Normalization(tuple(views.mean), tuple(views.std))


def _build(
    name: str, num_classes: int, pretrained: bool, options: dict[str, Any], image_size: int | None
) -> nn.Module | None:
    from rawlabel.models.networks.preact_resnet import PREACT_RESNETS, preact_resnet
    from rawlabel.models.networks.small_convnet import SMALL_CONVNET, SmallConvNet
    from rawlabel.models.networks.staged_resnet import CIFAR_STEM_RESNETS, has_stages, staged_resnet

    library, _, bare = name.rpartition("/")
    if pretrained and name in (*CIFAR_RESNETS, *CIFAR_STEM_RESNETS, *PREACT_RESNETS, SMALL_CONVNET):
        raise ConfigError(f"--pretrained: {name} has no published weights; leave the flag out")
    if pretrained and "num_planes" in options:
        raise ConfigError("--num-planes: published weights have the published width; leave --pretrained out")
    if name in CIFAR_RESNETS:
        return CifarResNet(int(re.sub(r"\D", "", name)), num_classes, **options)
    if name in PREACT_RESNETS:
        return preact_resnet(name, num_classes, **options)
    if name == SMALL_CONVNET:
        return SmallConvNet(num_classes, **options)
    is_torchvision = library in ("", "torchvision")
    if name in CIFAR_STEM_RESNETS or (is_torchvision and "num_planes" in options and has_stages(bare)):
        return staged_resnet(bare, num_classes, **options)
    if is_torchvision and (network := _torchvision(bare, num_classes, pretrained, options, image_size)):
        return network
    return _timm(bare, num_classes, pretrained, options, image_size) if library in ("", "timm") else None


def _json_object(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise ConfigError(f"--model-config {text}: is no JSON object ({error}); mend it") from error


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refuse_width(name: str, options: dict[str, Any]) -> None:
    if "num_planes" in options:
        raise ConfigError(
            f"--num-planes: {name} has no such width; use cifar_resnet*, cifar_stem_resnet*, preact_resnet*, "
            "resnet18 to resnet152 or timm/resnet*, or say it with --model-config"
        )


def _torchvision(
    name: str, num_classes: int, pretrained: bool, options: dict[str, Any], image_size: int | None
) -> nn.Module | None:
    from torchvision import models

    if name not in models.list_models(module=models):
        return None
    _refuse_width(name, options)
    if name in _WITH_AUXILIARY_HEADS and not pretrained:
        # In training they answer with a tuple, which belongs to their own loss.
        options = {"aux_logits": False, "init_weights": True, **options}
    if not pretrained:
        if image_size is not None and name.startswith("vit_"):
            options = {"image_size": image_size, **options}
        fresh: nn.Module = models.get_model(name, num_classes=num_classes, **options)
        return fresh
    network: nn.Module = models.get_model(name, weights="DEFAULT", **options)
    if name in _WITH_AUXILIARY_HEADS:
        # The published weights are those of all heads.
        network.aux_logits = False  # type: ignore[assignment]
        for auxiliary in ("aux1", "aux2", "AuxLogits"):
            if hasattr(network, auxiliary):
                setattr(network, auxiliary, None)
        # Images come as the weights expect them, also where the network is built for a run's weights.
        network.transform_input = False  # type: ignore[assignment]
    _replace_head(network, num_classes)
    return network


def _replace_head(network: nn.Module, num_classes: int) -> None:
    """Swap the last linear layer, which torchvision's weights bind to 1,000 classes."""
    found = last_linear(network)
    if found is None:
        raise ConfigError("--pretrained: this network does not end in a linear layer; leave the flag out")
    name, last = found
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, nn.Linear(last.in_features, num_classes))


def last_linear(network: nn.Module) -> tuple[str, nn.Linear] | None:
    """Name and layer of a network's head; None where it has no linear layer."""
    found = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    return found[-1] if found else None


def _timm(
    name: str, num_classes: int, pretrained: bool, options: dict[str, Any], image_size: int | None
) -> nn.Module | None:
    import timm

    if not timm.is_model(name):
        return None
    if "num_planes" in options and name.startswith("resnet"):
        width = options.pop("num_planes")
        options = {"channels": tuple(width << stage for stage in range(4)), **options}
    _refuse_width(name, options)
    try:
        expected = timm.get_pretrained_cfg(name)
        if image_size and expected and expected.fixed_input_size and expected.input_size[-1] != image_size:
            # Such as ViT and Swin; published weights are interpolated by timm.
            options = {"img_size": image_size, **options}
        network: nn.Module = timm.create_model(name, num_classes=num_classes, pretrained=pretrained, **options)
    except RuntimeError as error:
        raise ConfigError(f"--model {name}: timm cannot build it ({' '.join(str(error).split())})") from error
    return network


def _known_names() -> list[str]:
    import timm
    from torchvision import models

    from rawlabel.models.networks.preact_resnet import PREACT_RESNETS
    from rawlabel.models.networks.small_convnet import SMALL_CONVNET
    from rawlabel.models.networks.staged_resnet import CIFAR_STEM_RESNETS

    return [
        SMALL_CONVNET,
        *CIFAR_RESNETS,
        *CIFAR_STEM_RESNETS,
        *PREACT_RESNETS,
        *models.list_models(module=models),
        *timm.list_models(),
    ]


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

    def __init__(self, depth: int, num_classes: int, num_planes: int = 16) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv = nn.Conv2d(3, num_planes, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(num_planes)
        layers: list[nn.Module] = []
        channels = num_planes
        for stage, width in enumerate((num_planes, 2 * num_planes, 4 * num_planes)):
            for block in range(blocks):
                layers.append(_BasicBlock(channels, width, 2 if stage and not block else 1))
                channels = width
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(4 * num_planes, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] for images [batch, 3, height, width]."""
        out = self.blocks(F.relu(self.bn(self.conv(x)), inplace=True))
        logits: Tensor = self.head(out.mean(dim=(2, 3)))
        return logits
