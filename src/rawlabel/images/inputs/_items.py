"""Images of a library's data set, which hands them out by position."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rawlabel.images.image_source import NumberedImages, StoredImage


class Items(NumberedImages):
    """Images that `read_item` returns by position; called by their position."""

    def __init__(self, count: int, read_item: Callable[[int], StoredImage], place: str) -> None:
        self._count, self._read_item, self.place = count, read_item, place

    def __len__(self) -> int:
        return self._count

    def read(self, index: int) -> StoredImage:
        """The image as it is stored, encoded bytes [n] or pixels [height, width, 3]. Raises `DataError`."""
        return self._read_item(index)


def as_stored(image: object) -> StoredImage:
    """Pixels [height, width, 3] of a Pillow image or an array. Raises `ValueError` for anything else."""
    convert = getattr(image, "convert", None)
    pixels = np.asarray(convert("RGB") if convert else image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError("neither a Pillow image nor pixels")
    return pixels
