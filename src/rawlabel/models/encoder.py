"""Encoders: frozen networks, trained elsewhere, that turn images into features. One file a family of them.

An encoder has a name, such as `efficientnet_lite0`, `timm/vit_small_patch14_dinov2` or
`open_clip/ViT-B-32/laion2b_s34b_b79k`; a name without a slash that no other family has means timm's. To add a
family, write `<family>.py` with a subclass of `EncoderFamily` named by `PLUGIN`. Behind the name of any, `+mirror`
means that each photo's mirror image is looked at as well.

An encoder says what it is and what it was trained on before its network is built: where all features are kept,
none is needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from torch import nn

from rawlabel.artifacts.run_records import EncoderRecord
from rawlabel.base import families
from rawlabel.config.recipe import MIRROR
from rawlabel.errors import ConfigError, did_you_mean
from rawlabel.models.encoders._mirror import BothSides
from rawlabel.models.encoders._own_classes import own_classes
from rawlabel.models.encoders._weights import frozen, hash_weights, hub_errors

__all__ = [
    "PACKAGED", "UNKNOWN", "Encoder", "EncoderFamily", "Origin", "Pixels", "Training", "hash_weights",
    "hub_errors", "load_encoder", "own_classes", "unavailable",
]  # fmt: skip

Pixels = npt.NDArray[np.uint8]
"""[height, width, 3], RGB."""
Origin = Literal["packaged", "pretrained", "file"]
PACKAGED = "efficientnet_lite0"
"""The encoder that comes with every install."""


@dataclass(frozen=True)
class Training:
    """What the weights were trained on, as far as that is known."""

    data: str
    """In words."""
    labels: str
    """Whose labels these were, in words."""
    label_lists: tuple[str, ...] = ()
    """Keys of `rawlabel.gather.classes.wordnet.IMAGENET_LISTS`: the classes that were told apart."""


UNKNOWN = Training("data that are not recorded", "people or nobody, which is not recorded")


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network without its head, and the views of images that it takes."""

    name: str
    origin: Origin
    """Where the weights come from."""
    weights_sha256: str
    """Equal weights, equal digest (hex)."""
    license: str
    """Of the weights; an SPDX identifier where the publisher gives one."""
    training: Training
    image_size: int
    """Side of the views [pixels]."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """A pixel x of a view is seen as (x / 255 - mean) / std, channel by channel."""
    views: str
    """How views are cut, in a text that changes with it."""
    num_features: int
    view: Callable[[Pixels], Pixels]
    """The square [side, side, 3] that the network sees of an image."""
    build: Callable[[], nn.Module]
    """Makes the network: float [batch, 3, side, side] to features [batch, features], in evaluation mode."""
    weights_file: str | None = None
    """Name of the file with the weights, if they came in one."""

    @cached_property
    def network(self) -> nn.Module:
        """The network, built when it is first asked for."""
        return self.build()

    @property
    def key(self) -> str:
        """What features depend on besides the images and the arithmetic."""
        return f"{self.name}:{self.weights_sha256}:{self.views}:{self.mean}:{self.std}"

    def record(self) -> EncoderRecord:
        """What a run records of it: name, weights by hash, license, and what it was trained on."""
        return EncoderRecord(
            name=self.name,
            origin=self.origin,
            weights_sha256=self.weights_sha256,
            weights_file=self.weights_file,
            license=self.license,
            trained_on=self.training.data,
            labels_of=self.training.labels,
            features=self.num_features,
        )


class EncoderFamily(ABC):
    """Base of all families."""

    @classmethod
    @abstractmethod
    def claims(cls, name: str) -> bool:
        """Whether `name` is one of this family's; a look at the name alone."""

    @abstractmethod
    def load(self, name: str, weights: Path | None, flag: str) -> Encoder:
        """The encoder `name`, with published weights or those in the file `weights`.

        Raises `ConfigError` that names `flag`, by which a person gave the name, and `CheckpointError` for the
        file.
        """

    def fitted(self, name: str, shorter_side: float) -> str:
        """Name of the encoder `name` whose views fit images of that shorter side [pixels]; for most, `name`."""
        del shorter_side
        return name


JOINED = "joined/"
"""May begin the name of several encoders with a + between them, as the name of its library begins another's."""
FIT = "@fit"
"""At the end of a name: with views of the side that fits the images, which is found before a run begins."""


def fitted_encoder(name: str, shorter_side: Callable[[], float]) -> str:
    """`name` with views that fit images of that shorter side [pixels], which is asked for where it matters."""
    if FIT not in name:
        return name
    side, bare = shorter_side(), name.removeprefix(JOINED).removesuffix(MIRROR)
    fitted = "+".join(_family(one).fitted(one, side) for one in bare.split("+"))
    return fitted + MIRROR if name.endswith(MIRROR) else fitted


def load_encoder(name: str, weights: Path | None = None, *, flag: str = "--encoder") -> Encoder:
    """The encoder that `name` and a file of weights mean.

    Raises `ConfigError`, which names `flag` and the nearest name or says that the weights cannot be had, and
    `CheckpointError` for a file that does not fit.
    """
    bare = name.removesuffix(MIRROR)
    if not bare or any(one.partition("@")[0].strip() == MIRROR[1:] for one in bare.split("+")):
        raise ConfigError(
            f"{flag} {name}: {MIRROR} is no encoder; name it once, behind the encoder or the last of several, as "
            f"in {PACKAGED}@288{MIRROR}"
        )
    encoder = _family(bare, flag).load(bare, weights, flag)
    return encoder if bare == name else _mirrored(encoder)


def _mirrored(encoder: Encoder) -> Encoder:
    """`encoder` whose features are the mean of those of photo and mirror image, under a name that says so.

    It stays one network from pixels to features, so whatever takes an encoder takes this one.
    """
    return replace(encoder, name=encoder.name + MIRROR, build=lambda: frozen(BothSides(encoder.build())))


def _family(name: str, flag: str = "--encoder") -> EncoderFamily:
    known = []
    for family in families.names(families.Family.ENCODER):
        kind: type[EncoderFamily] = families.load(families.Family.ENCODER, family)
        if family != "timm" and kind.claims(name):
            return kind()
        if kind.claims(f"{family}/"):
            known.append(f"{family}/...")
    prefix, slash, _ = name.rpartition("/")
    if slash and prefix != "timm" and not name.startswith(("hf-hub:", "hf_hub:")):
        raise ConfigError(f"{flag}: no encoder is called '{name}'{did_you_mean(name, known)}")
    # Every other name may be one of timm's thousands, which also knows what to suggest.
    last: type[EncoderFamily] = families.load(families.Family.ENCODER, "timm")
    return last()


def unavailable(flag: str, name: str, error: Exception) -> ConfigError:
    """What to say when published weights are neither in the cache nor to be had from the network."""
    return ConfigError(
        f"{flag} {name}: its pretrained weights cannot be had ({type(error).__name__}: no copy in the cache, and "
        f"the hub does not give them); use {PACKAGED}, which comes with the install, or name a file with --weights"
    )
