"""The same network as timm builds it by name, where timm has it, with the weights under timm's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from rawlabel.config import TrainConfig
from rawlabel.models.portable.network import PortableNetwork, folded
from rawlabel.models.transfer.head import SCALE, FeatureHead


@dataclass(frozen=True, eq=False)
class TimmTwin:
    """What `timm.create_model(name, num_classes=..., **options)` needs to be this network."""

    name: str
    state: Mapping[str, Tensor]
    options: Mapping[str, object] = field(default_factory=dict)


def timm_name(network: nn.Module) -> str | None:
    """What timm calls a network that it built; None for one of somebody else."""
    config = getattr(network, "pretrained_cfg", None)
    name = config.get("architecture") if config is not None else None
    return str(name) if name else None


def find_twin(network: PortableNetwork, config: TrainConfig, num_classes: int) -> TimmTwin | None:
    """The twin of `network`, which a run with the settings `config` answers with; None where timm has none."""
    if len(network.heads) != 1:
        return None
    head = network.heads[0]
    if network.trunk is None:
        return _of_pixels(head, config, num_classes)
    name, last = timm_name(network.trunk), folded(head)
    if name is None or last is None:
        return None
    import timm

    empty = timm.create_model(name, num_classes=num_classes)
    classifier = _classifier_of(empty)
    if classifier is None:
        return None
    own = {f"{classifier}.weight": last.weight, f"{classifier}.bias": last.bias}
    return _fitting(name, empty, {**network.trunk.state_dict(), **own}, {})


def _classifier_of(network: nn.Module) -> str | None:
    """Name of the last layer of timm's network; None where it has several."""
    config: Any = network.pretrained_cfg
    name = config.get("classifier")
    return name if isinstance(name, str) else None


def _of_pixels(network: nn.Module, config: TrainConfig, num_classes: int) -> TimmTwin | None:
    import timm

    own = timm_name(network)
    name = own or {"resnet": "resnet50"}.get(config.model, config.model).removeprefix("torchvision/")
    if not timm.is_model(name) or config.num_planes is not None or config.network_config:
        return None
    expected = timm.get_pretrained_cfg(name)
    is_fixed = bool(own and expected and expected.fixed_input_size)
    options: Any = {"img_size": config.image_size} if is_fixed else {}
    return _fitting(
        name, timm.create_model(name, num_classes=num_classes, **options), network.state_dict(), options
    )


def _fitting(
    name: str, empty: nn.Module, state: Mapping[str, Tensor], options: Mapping[str, object]
) -> TimmTwin | None:
    """The twin, where names and shapes are the same; whether the answers are is for the proof to say."""
    shapes = {key: tensor.shape for key, tensor in empty.state_dict().items()}
    if shapes != {key: tensor.shape for key, tensor in state.items()}:
        return None
    return TimmTwin(name, {key: tensor.detach().clone().contiguous() for key, tensor in state.items()}, options)


@dataclass(frozen=True, eq=False)
class LengthHead:
    """What timm's last layer leaves out of a head that brings each photo's features to one length."""

    mean: Tensor
    """Of the features [features]."""
    bias: Tensor
    """Of the head's last layer [classes]."""
    length: float
    """Distance of features from the mean at which timm's layer alone says the same."""


def at_one_length(network: PortableNetwork, images: Tensor) -> tuple[TimmTwin, LengthHead] | None:
    """The twin of a network whose head sees features at one length, exact for `images` of a usual length alone.

    The logits are W (f - mean) / |f - mean| + b; with a usual length in the place of |f - mean| they are linear
    in f. None for any other network.
    """
    if network.trunk is None or len(network.heads) != 1 or (name := timm_name(network.trunk)) is None:
        return None
    head = network.heads[0]
    if not isinstance(head, FeatureHead) or head.by_deviation or len(head.layers) != 1:
        return None
    import timm

    with torch.inference_mode():
        lengths = torch.cat([(network.trunk(part) - head.mean).norm(dim=1) for part in torch.split(images, 16)])
    # The mean of 1 / length is what the logits are scaled by on average.
    usual = 1 / float((1 / lengths.clamp(min=1e-12)).mean())
    last = head.layers[0]
    assert isinstance(last, nn.Linear)
    weight = (SCALE / usual) * last.weight.double()
    own = {"weight": weight.float(), "bias": (last.bias.double() - weight @ head.mean.double()).float()}
    empty = timm.create_model(name, num_classes=last.out_features)
    classifier = _classifier_of(empty)
    state = {**network.trunk.state_dict(), **{f"{classifier}.{key}": tensor for key, tensor in own.items()}}
    twin = _fitting(name, empty, state, {})
    return None if twin is None else (twin, LengthHead(head.mean.clone(), last.bias.clone(), usual))
