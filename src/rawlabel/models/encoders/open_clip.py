"""Image towers of text-image models, by open_clip."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rawlabel.errors import CheckpointError, ConfigError, did_you_mean
from rawlabel.models.encoder import Encoder, EncoderFamily, Training, unavailable
from rawlabel.models.encoders._views import cutting
from rawlabel.models.encoders._weights import frozen, hash_weights, hub_errors

_PREFIX = "open_clip/"


class _ImageTower(nn.Module):
    """What a text-image model makes of images alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.visual: Any = model.visual

    def forward(self, images: Tensor) -> Tensor:
        """Features [batch, features] of images [batch, 3, side, side]."""
        features = self.visual(images)
        first: Tensor = features[0] if isinstance(features, tuple) else features
        return first


class OpenClip(EncoderFamily):
    """The image tower of a text-image model: `open_clip/MODEL/WEIGHTS`, such as `open_clip/ViT-B-32/openai`.

    A. Radford et al., arXiv 2103.00020, and its successors as open_clip has them (`pip install
    'rawlabel[open_clip]'`). The weights come from their hub or its cache, or with --weights from a file.
    """

    @classmethod
    def claims(cls, name: str) -> bool:
        """Whether `name` begins with `open_clip/`; whether the library has the model is seen when it is loaded."""
        return name.startswith(_PREFIX)

    def load(self, name: str, weights: Path | None, flag: str) -> Encoder:
        """The image tower of the model with its own normalization.

        Raises `ConfigError` where the package is missing, or knows no such model or weights; `weights` is a file
        that takes the place of published ones.
        """
        try:
            import open_clip
        except ImportError as error:
            raise ConfigError(
                f"{flag} {name}: the package open_clip_torch is not installed; run "
                "`pip install 'rawlabel[open_clip]'`"
            ) from error
        model_name, _, tag = name.removeprefix(_PREFIX).partition("/")
        if model_name not in open_clip.list_models():
            known = open_clip.list_models()
            raise ConfigError(f"{flag}: open_clip has no model '{model_name}'{did_you_mean(model_name, known)}")
        tags = open_clip.list_pretrained_tags_by_model(model_name)
        if weights is None and tag not in tags:
            what = f"no weights '{tag}'" if tag else "several weights"
            raise ConfigError(
                f"{flag}: open_clip has {what} of {model_name}{did_you_mean(tag, tags)}; write it as "
                f"{_PREFIX}{model_name}/WEIGHTS"
            )
        tower, preprocess = _create(model_name, weights, tag, name, flag)
        with torch.inference_mode():
            side = _side(tower)
            num_features = int(tower(torch.zeros(1, 3, side, side)).shape[1])
        normalize = next(step for step in preprocess.transforms if hasattr(step, "mean"))
        return Encoder(
            name,
            "pretrained" if weights is None else "file",
            hash_weights(tower),
            "not recorded",
            Training("photos of the web with the texts beside them", f"writers of web pages ({tag or 'a file'})"),
            side,
            _three(normalize.mean),
            _three(normalize.std),
            f"open_clip {open_clip.__version__} {[str(step) for step in preprocess.transforms]}",
            num_features,
            cutting(preprocess.transforms),
            lambda: tower,
            weights.name if weights is not None else None,
        )


def _create(model_name: str, weights: Path | None, tag: str, name: str, flag: str) -> tuple[_ImageTower, Any]:
    """The tower and its transform of images."""
    import open_clip

    if weights is not None and not weights.is_file():
        raise CheckpointError(f"{weights}: no such file; check --weights")
    # What went wrong is said in one line.
    logging.disable(logging.ERROR)
    try:
        model, _, preprocess = open_clip.create_model_and_transforms(
            model_name, pretrained=str(weights) if weights is not None else tag, weights_only=True
        )
    except hub_errors() as error:
        raise unavailable(flag, name, error) from error
    except (RuntimeError, ValueError, KeyError) as error:
        if weights is None:
            raise unavailable(flag, name, error) from error
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{weights}: does not fit {model_name} ({reason}); check {flag}") from error
    finally:
        logging.disable(logging.NOTSET)
    tower = _ImageTower(model)
    frozen(tower)
    return tower, preprocess


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def _side(tower: _ImageTower) -> int:
    size = tower.visual.image_size
    return int(size[0] if isinstance(size, tuple | list) else size)


PLUGIN = OpenClip
