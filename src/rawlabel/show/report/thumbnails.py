"""Small pictures as data addresses, so that the page is one file."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

from PIL import Image

from rawlabel.artifacts.image_check import FORMATS
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.base.image_pixels import PILLOW_FAULTS, open_image, orientation_of, upright_rgb

SIDE = 112
"""Longest side of a thumbnail [pixels]."""
MOST_BYTES = 5_500
"""Encoded size above which a thumbnail is encoded more coarsely."""
MOST_MEGAPIXELS = 200
"""Larger pictures are not decoded: a few of them would take all memory."""

_QUALITIES = (75, 50, 25, 5)


class Thumbnails:
    """Makes each thumbnail once, however often the page shows it."""

    def __init__(self) -> None:
        self._made: dict[Path | str, str | None] = {}

    def address(self, path: Path) -> str | None:
        """Data address of a WebP thumbnail of the picture at `path`; None when it cannot be decoded."""
        if path not in self._made:
            self._made[path] = _encode(path)
        return self._made[path]

    def stored(self, photos: ProjectPhotos, name: str) -> str | None:
        """The same for a photo of a project. Raises `DataError` when a remote store does not hand it out."""
        if not photos.is_remote:
            return self.address(photos.path(name))
        if name not in self._made:
            self._made[name] = _encode(photos.read(name))
        return self._made[name]


def _encode(source: Path | bytes) -> str | None:
    small = _shrink(source)
    if small is None:
        return None
    for quality in _QUALITIES:
        stream = io.BytesIO()
        small.save(stream, "WEBP", quality=quality, method=4)
        if stream.tell() <= MOST_BYTES:
            break
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _shrink(source: Path | bytes) -> Image.Image | None:
    try:
        with warnings.catch_warnings():
            # Damaged files have much to warn of, which is of no use to the reader.
            warnings.simplefilter("ignore")
            data = source if isinstance(source, bytes) else source.read_bytes()
            with open_image(data, FORMATS) as image:
                if image.width * image.height > MOST_MEGAPIXELS * 1e6:
                    return None
                # Lets the JPEG decoder skip most of its work.
                image.draft("RGB", (2 * SIDE, 2 * SIDE))
                upright = upright_rgb(image, orientation_of(data, FORMATS))
    except PILLOW_FAULTS:
        return None
    upright.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return upright
