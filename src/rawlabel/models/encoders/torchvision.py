"""Networks of torchvision, with its published weights or those in a file of its layout."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path
from typing import Any

from torch import nn

from rawlabel.errors import ConfigError, did_you_mean
from rawlabel.models.encoder import UNKNOWN, Encoder, EncoderFamily, Training, unavailable
from rawlabel.models.encoders._views import cutting
from rawlabel.models.encoders._weights import frozen, hash_weights, hub_errors, load_headless, read_weights

_PREFIX = "torchvision/"


class Torchvision(EncoderFamily):
    """A classifier of torchvision, such as `torchvision/resnet50`, up to its last linear layer.

    The weights are torchvision's newest, from its cache or the network, or those in a file of its layout;
    views are those that come with the newest weights.
    """

    @classmethod
    def claims(cls, name: str) -> bool:
        """Whether `name` begins with `torchvision/`.

        Whether the library has the model is seen when it is loaded.
        """
        return name.startswith(_PREFIX)

    def load(self, name: str, weights: Path | None, flag: str) -> Encoder:
        """The classifier without its last linear layer, with the published crop and normalization.

        Raises `ConfigError` for a name that the library does not have; `weights` is a file that takes the place of
        published ones.
        """
        from torchvision import models, transforms

        bare = name.removeprefix(_PREFIX)
        known = models.list_models(module=models)
        if bare not in known:
            raise ConfigError(f"{flag}: torchvision has no classifier '{bare}'{did_you_mean(bare, known)}")
        published = models.get_model_weights(bare).DEFAULT
        network = _build(bare, None if weights is not None else published, name, flag)
        found = [(key, one) for key, one in network.named_modules() if isinstance(one, nn.Linear)]
        if not found:
            raise ConfigError(f"{flag} {name}: does not end in a linear layer; choose another")
        head, last = found[-1]
        parent, _, attribute = head.rpartition(".")
        setattr(network.get_submodule(parent), attribute, nn.Identity())
        if weights is not None:
            load_headless(network, read_weights(weights), (head,), weights, name, flag)
        preset = published.transforms()
        side, resized = int(preset.crop_size[0]), int(preset.resize_size[0])
        interpolation = preset.interpolation
        steps: list[Any] = [
            transforms.Resize(resized, interpolation=interpolation, antialias=True),
            transforms.CenterCrop(side),
        ]
        return Encoder(
            name,
            "pretrained" if weights is None else "file",
            hash_weights(frozen(network)),
            "not recorded" if weights is not None else "BSD-3-Clause",
            UNKNOWN if weights is not None else _training(str(published)),
            side,
            tuple(preset.mean),
            tuple(preset.std),
            f"torchvision {resized} {side} {interpolation.value}",
            last.in_features,
            cutting(steps),
            lambda: network,
            weights.name if weights is not None else None,
        )


def _build(bare: str, published: Any, name: str, flag: str) -> nn.Module:
    from torchvision import models

    extra = {"init_weights": False} if bare in ("googlenet", "inception_v3") and published is None else {}
    # torch raises a RuntimeError for a file whose hash is another one, such as half of it.
    cannot_be_had: tuple[type[Exception], ...] = (*hub_errors(), RuntimeError, HTTPException)
    try:
        # torch says on standard output that it downloads, before anybody has answered. The bar that it draws on
        # standard error begins with the first byte, so that is left as it is.
        with redirect_stdout(io.StringIO()):
            network: nn.Module = models.get_model(bare, weights=published, **extra)
    except cannot_be_had as error:
        raise unavailable(flag, name, error) from error
    return network


def _training(weights: str) -> Training:
    """torchvision's names of weights say on what they were trained."""
    imagenet = ("ImageNet-1k, 1.28 million photos", "people", ("imagenet-1k",))
    if "SWAG" in weights:
        return Training(
            f"billions of photos with hashtags, then {imagenet[0]}", f"hashtags, then {imagenet[1]}", imagenet[2]
        )
    return Training(*imagenet)


PLUGIN = Torchvision
