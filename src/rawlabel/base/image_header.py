"""What the header of an image file says, before any pixel is decoded: the limit of pixels of all who decode."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from rawlabel.base.image_files import IMAGE_FORMATS
from rawlabel.base.image_pixels import PILLOW_FAULTS, open_image

HEIF = "HEIF"
HEIF_EXTENSIONS = frozenset({".heic", ".heif"})
_FORMATS = tuple(one.pillow_name for one in IMAGE_FORMATS)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""Of files that begin with an `ftyp` box (ISO/IEC 23008-12, annex B)."""


class NotDecodable(ValueError):
    """An image file that cannot be decoded; the text says why, as what follows its name."""

    def __init__(self, why: str = "is not an image that can be decoded", remedy: str | None = None) -> None:
        super().__init__(why)
        self.remedy = remedy
        """What to do about this cause; None where it depends on where the file lies."""


def extra_extensions() -> frozenset[str]:
    """Extensions that are read because an extra is installed."""
    return HEIF_EXTENSIONS if find_spec("pillow_heif") else frozenset()


def refuse_large(stored: npt.NDArray[np.uint8], max_megapixels: float) -> tuple[str, ...]:
    """Raise `NotDecodable` for more pixels than that, by the header, and for what is no image.

    `stored` are the bytes of a file. Returns the names of the formats with which Pillow may open it.
    """
    formats, width, height = _header(stored)
    refuse_many_pixels(width, height, max_megapixels)
    return formats


def shorter_side(stored: npt.NDArray[np.uint8]) -> int:
    """Of an image [pixels]: of an array [height, width, 3], or by the header of a file's bytes.

    Raises `NotDecodable`.
    """
    return min(stored.shape[:2]) if stored.ndim == 3 else min(_header(stored)[1:])


def _header(stored: npt.NDArray[np.uint8]) -> tuple[tuple[str, ...], int, int]:
    """Formats with which Pillow may open the file, width and height. Raises `NotDecodable`."""
    data = stored.tobytes()
    formats = _FORMATS
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and b"avif" not in data[8:64]:
        _register_heif()
        formats = (*_FORMATS, HEIF)
    try:
        with open_image(data, formats) as image:
            return formats, *image.size
    except (UnidentifiedImageError, *PILLOW_FAULTS, KeyError, TypeError, OverflowError, RuntimeError) as error:
        raise NotDecodable from error


def refuse_many_pixels(width: int, height: int, max_megapixels: float) -> None:
    """Raise `NotDecodable` for an image of more pixels than that."""
    if width * height > max_megapixels * 1e6:
        raise NotDecodable(
            f"has {width:,} x {height:,} pixels, which is above --max-megapixels {max_megapixels:g}",
            "shrink or remove it, or raise the limit",
        )


@cache
def _register_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise NotDecodable("is a HEIC photo", "install `rawlabel[heic]`, which reads them") from error
    register_heif_opener()
