"""Sections of training: network."""

from __future__ import annotations

import json
from typing import Any

from pydantic import field_validator

from rawlabel.config.declaring import Section, setting


class ModelSettings(Section):
    """The network, and what it starts from."""

    model: str = setting(
        "resnet50",
        "Network: any timm or torchvision model, cifar_resnet{8,20,32,44,56}, "
        "cifar_stem_resnet{18,34,50}, preact_resnet{18,32}, or small_convnet, which learns small images in few "
        "epochs; resnet means resnet50.",
        common=True,
    )
    pretrained: bool = setting(
        False, "Start from the model's published weights, and normalize pixels as these expect.", common=True
    )
    network_config: tuple[str, ...] = setting(
        (),
        "Option of the network's constructor: KEY=VALUE, may be given several times, or one JSON object.",
        also="model_config",
        flags=("--model-config",),
    )
    num_planes: int | None = setting(
        None,
        "Width of the network's first stage, of which the later ones are multiples [channels]; for residual "
        "networks; by default the network's own, 64 or, for cifar_resnet*, 16.",
        ge=1,
    )

    @field_validator("network_config", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """An object, as a file may have it, becomes the pairs that the flag takes."""
        if isinstance(value, dict):
            return tuple(f"{key}={json.dumps(one)}" for key, one in value.items())
        return value or ()
