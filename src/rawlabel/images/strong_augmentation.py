"""Strong views for methods that compare several views of an image: RandAugment, then cutout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from rawlabel.images.decoding import DRAWS, Pixels, Transform

_GRAY = (128, 128, 128)
"""What fills the places that no pixel of the image moves to, and those that are cut out."""

Operation = Callable[[Image.Image, float], Image.Image]
"""An image and a strength from -1 to 1; operations without a direction take its size alone."""


@dataclass(frozen=True, slots=True)
class StrongAugmentation:
    """How many strong views of each image a method wants, and how strong they are."""

    views: int
    operations: int
    """Operations of RandAugment on each view."""
    magnitude: float
    """Strength of each operation, from 0 to 30."""
    cutout: bool = True
    """Whether a square is cut out. Without it and without operations, the views are further plain ones."""

    @property
    def draws(self) -> int:
        """Random numbers in [0, 1) that one view takes.

        They are a plain view's, two an operation, and two for the square cut out.
        """
        return DRAWS + 2 * self.operations + 2

    def view(self, transform: Transform, pixels: Pixels, draws: npt.NDArray[np.float64]) -> Pixels:
        """A random strong view [size, size, 3]; `draws` are uniform numbers that decide it entirely.

        A training view goes through operations drawn from the fourteen of RandAugment (Cubuk et al., arXiv
        1909.13719) at one magnitude, and loses a square of half its side, placed around a random
        center (cutout, arXiv 1708.04552) where that is asked for.
        """
        image = Image.fromarray(transform.training_view(pixels, draws[:DRAWS]))
        for which, direction in draws[DRAWS:-2].reshape(-1, 2):
            operation = OPERATIONS[int(which * len(OPERATIONS))]
            strength = self.magnitude / 30
            image = operation(image, strength if direction < 0.5 else -strength)
        view = np.array(image, dtype=np.uint8)
        if not self.cutout:
            return view
        size = transform.image_size
        half = size // 4
        row, column = (int(draw * size) for draw in draws[-2:])
        view[max(row - half, 0) : row + half, max(column - half, 0) : column + half] = _GRAY
        return view


def _moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=_GRAY)


def _enhanced(enhancer: Callable[[Image.Image], Any]) -> Operation:
    return lambda image, strength: enhancer(image).enhance(1 + 0.9 * strength)


# The ranges are those of torchvision's RandAugment at 30 steps.
OPERATIONS: tuple[Operation, ...] = (
    lambda image, strength: image,
    lambda image, strength: ImageOps.autocontrast(image),
    lambda image, strength: ImageOps.equalize(image),
    lambda image, strength: image.rotate(30 * strength, fillcolor=_GRAY),
    lambda image, strength: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    lambda image, strength: ImageOps.posterize(image, 8 - round(4 * abs(strength))),
    _enhanced(ImageEnhance.Color),
    _enhanced(ImageEnhance.Contrast),
    _enhanced(ImageEnhance.Brightness),
    _enhanced(ImageEnhance.Sharpness),
    lambda image, strength: _moved(image, (1, 0.3 * strength, 0, 0, 1, 0)),
    lambda image, strength: _moved(image, (1, 0, 0, 0.3 * strength, 1, 0)),
    lambda image, strength: _moved(image, (1, 0, 0.45 * strength * image.width, 0, 1, 0)),
    lambda image, strength: _moved(image, (1, 0, 0, 0, 1, 0.45 * strength * image.height)),
)
