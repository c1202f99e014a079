"""Images of a run that its export is tried on: held-out ones, then those it was trained on."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rawlabel.base.image_pixels import stated_orientation, upright_rgb
from rawlabel.images.decoding import Pixels, Transform, read_pixels
from rawlabel.images.image_source import ImageSource, LabeledImages, UnreadableImage

PROOF_IMAGES = 128
"""Images that an export is tried on, or all that there are."""


@dataclass(frozen=True)
class RunPhotos:
    """The images of a run."""

    train: LabeledImages
    holdout: LabeledImages

    @property
    def num_images(self) -> int:
        """All images of the run, trained on and held out."""
        return len(self.train) + len(self.holdout)

    def proof_images(self) -> list[tuple[ImageSource, int]]:
        """Images to try an export on: source and position of each, half of them held out where there are so
        many."""
        half = min(len(self.holdout), PROOF_IMAGES // 2)
        rest = min(len(self.train), PROOF_IMAGES - half)
        half = min(len(self.holdout), PROOF_IMAGES - rest)
        return [*drawn(self.holdout, half), *drawn(self.train, rest)]


def drawn(images: LabeledImages, count: int) -> list[tuple[ImageSource, int]]:
    """So many images, the same at each call, in the order of the set."""
    places = np.random.default_rng(0).permutation(len(images))[:count]
    return [(images.source, int(place)) for place in sorted(places)]


def pixels_of(images: list[tuple[ImageSource, int]], transform: Transform) -> list[Pixels]:
    """Decoded as the run decodes them. Raises `DataError` that names one which cannot be read."""
    return [read_pixels(source, place, transform.stored_side) for source, place in images]


def as_pillow(source: ImageSource, place: int) -> Image.Image:
    """An image as Pillow opens its file, upright. Raises `DataError` where Pillow cannot."""
    stored = source.read(place)
    if stored.ndim == 3:
        return Image.fromarray(np.asarray(stored))
    try:
        with Image.open(io.BytesIO(stored.tobytes())) as image:
            return Image.fromarray(np.asarray(upright_rgb(image, stated_orientation(image))))
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImage(
            f"{source.where(place)}: cannot be opened by Pillow ({error})", source.remedy
        ) from error
