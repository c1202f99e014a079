"""From an image to what an exported network takes, in the terms of other programs."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from rawlabel.errors import ConfigError
from rawlabel.models.encoder import Encoder
from rawlabel.models.portable.records import Preprocessing

_PHOTO_CROP = 0.875
"""Share of the shorter side that a network which is trained on random crops of photos sees of one."""


def of_pixels(
    image_size: int, mean: tuple[float, float, float], std: tuple[float, float, float], *, is_cropped: bool
) -> Preprocessing:
    """That of a network that was trained on pixels; `is_cropped` says that it sees 7/8 of the shorter side."""
    return _stated(image_size, _PHOTO_CROP if is_cropped else 1.0, "bilinear", "center", mean, std)


def of_encoder(encoder: Encoder) -> Preprocessing:
    """That of an encoder, from what it says of its views.

    Raises `ConfigError` for one that does not say it in a way that is known here.
    """
    side, mean, std = encoder.image_size, encoder.mean, encoder.std
    words = encoder.views.split()
    if encoder.views.startswith("{"):
        said = json.loads(encoder.views)
        return _stated(
            side, float(said["crop_pct"]), str(said["interpolation"]), str(said["crop_mode"]), mean, std
        )
    if words and words[0] == "torchvision":
        return _stated(side, side / int(words[1]), words[-1], "center", mean, std)
    if words and words[0] == "open_clip":
        return _stated(side, 1.0, "bicubic", "center", mean, std)
    raise ConfigError(f"--encoder {encoder.name}: does not say how its views are cut, so no export can state it")


def _stated(
    side: int,
    crop_pct: float,
    interpolation: str,
    crop: str,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> Preprocessing:
    resized = side if crop == "squash" else math.floor(side / crop_pct)
    return Preprocessing(
        resize_shorter_side=resized, interpolation=interpolation, crop=crop, crop_pct=crop_pct, image_size=side,
        mean=mean, std=std,
    )  # fmt: skip


def cut(image: Image.Image, how: Preprocessing) -> Image.Image:
    """The view [side, side] that `how` says of an upright image."""
    from torchvision.transforms import functional
    from torchvision.transforms.functional import InterpolationMode

    rgb = image.convert("RGB")
    mode = InterpolationMode(how.interpolation)
    size = [how.image_size] * 2 if how.crop == "squash" else how.resize_shorter_side
    resized = functional.resize(rgb, size, mode, antialias=True)
    cropped: Image.Image = functional.center_crop(resized, [how.image_size] * 2)
    return cropped


def normalized(views: npt.NDArray[np.uint8], how: Preprocessing) -> npt.NDArray[np.float32]:
    """What the network takes [batch, 3, side, side] of views [batch, side, side, 3]."""
    mean, std = np.array(how.mean, dtype=np.float32), np.array(how.std, dtype=np.float32)
    scaled = (views.astype(np.float32) / 255 - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32)
