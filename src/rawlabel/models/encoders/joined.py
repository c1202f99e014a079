"""Several encoders that look at one view, their features side by side: `efficientnet_lite0+efficientnet_lite2`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rawlabel.errors import ConfigError
from rawlabel.models.encoder import JOINED, Encoder, EncoderFamily, Training, load_encoder
from rawlabel.models.encoders._weights import frozen

PLUS = "+"
_AS_IT_IS = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


class _Part(nn.Module):
    """One encoder behind what brings a common view to its own side and normalization."""

    mean: Tensor
    std: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.network, self.side = encoder.build(), encoder.image_size
        self.register_buffer("mean", torch.tensor(encoder.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(encoder.std).view(1, 3, 1, 1))

    def forward(self, views: Tensor) -> Tensor:
        """Features [batch, features] of views [batch, 3, side, side] from 0 to 1."""
        if views.shape[-1] != self.side:
            views = F.interpolate(views, (self.side, self.side), mode="bilinear", align_corners=False)
        features: Tensor = self.network((views - self.mean) / self.std)
        return features


class SideBySide(nn.Module):
    """One network from a view to the features of several, one behind the other."""

    def __init__(self, encoders: Iterable[Encoder]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_Part(one) for one in encoders)

    def forward(self, views: Tensor) -> Tensor:
        """Features [batch, features of all] of views [batch, 3, side, side] from 0 to 1."""
        return torch.cat([part(views) for part in self.parts], dim=1)


class Joined(EncoderFamily):
    """Two or more encoders with a + between them: what one misses, another may see.

    All look at the view of the one with the largest side, which is shrunk for the others, so that they remain one
    network from pixels to features.
    """

    @classmethod
    def claims(cls, name: str) -> bool:
        """Whether `name` names several encoders, with + between them, or says that it would."""
        return PLUS in name or name.startswith(JOINED)

    def load(self, name: str, weights: Path | None, flag: str) -> Encoder:
        """The encoders between the signs, as one whose features are theirs side by side."""
        names = [part.strip() for part in name.removeprefix(JOINED).split(PLUS)]
        # A name that is none is told as such, also where it stands alone.
        parts = [] if weights is not None else [load_encoder(one, flag=flag) for one in names if one]
        if not all(names) or len(set(names)) < len(names) or len(names) < 2:
            raise ConfigError(
                f"{flag} {name}: name different encoders with a {PLUS} between them, as in "
                f"efficientnet_lite0{PLUS}efficientnet_lite2"
            )
        if weights is not None:
            raise ConfigError(
                f"--weights {weights}: one file cannot be the weights of {len(names)} encoders; leave it out, or "
                f"name one with {flag}"
            )
        widest = max(parts, key=lambda one: one.image_size)
        mean, std = _AS_IT_IS
        return Encoder(
            PLUS.join(names),
            parts[0].origin if len({one.origin for one in parts}) == 1 else "pretrained",
            hashlib.sha256("".join(one.weights_sha256 for one in parts).encode()).hexdigest(),
            " and ".join(dict.fromkeys(one.license for one in parts)),
            _training_of(parts),
            widest.image_size,
            mean,
            std,
            " ".join([widest.views, *(f"{one.image_size}:{one.mean}:{one.std}" for one in parts)]),
            sum(one.num_features for one in parts),
            widest.view,
            partial(_build, parts),
        )


def _build(parts: Sequence[Encoder]) -> nn.Module:
    return frozen(SideBySide(parts))


def _training_of(parts: Sequence[Encoder]) -> Training:
    """What all were trained on; equal words once."""
    training = [one.training for one in parts]
    return Training(
        " and ".join(dict.fromkeys(one.data for one in training)),
        " and ".join(dict.fromkeys(one.labels for one in training)),
        tuple(dict.fromkeys(name for one in training for name in one.label_lists)),
    )


PLUGIN = Joined
