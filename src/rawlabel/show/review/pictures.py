"""Small pictures, made when they are first asked for and kept beside the index, under the names of the photos."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from rawlabel.artifacts.image_check import FORMATS
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.base.files import atomic_write
from rawlabel.base.image_pixels import PILLOW_FAULTS, open_image, orientation_of, upright_rgb
from rawlabel.config.declaring import MAX_MEGAPIXELS
from rawlabel.errors import DataError

SIDES = {"small": 240, "large": 1280}
"""Longest side by the name of a size [pixels]."""
MEDIA_TYPE = "image/webp"
_QUALITY = 80


class Pictures:
    """The pictures of a project's photos and of test files, encoded anew, so that no stranger's byte is served."""

    def __init__(self, photos: ProjectPhotos, folder: Path) -> None:
        self._photos, self._folder = photos, folder

    def of_photo(self, name: str, size: str) -> bytes | None:
        """A photo by the name that manifests give it; None where there is no picture that can be decoded.

        Raises `DiskError`.
        """
        return self._kept(hashlib.sha256(name.encode()).hexdigest(), size, lambda: self._photos.read(name))

    def of_file(self, path: Path, size: str) -> bytes | None:
        """A file of the test set by its path, with what `of_photo` says."""
        return self._kept(hashlib.sha256(str(path.absolute()).encode()).hexdigest(), size, path.read_bytes)

    def _kept(self, key: str, size: str, read: Callable[[], bytes]) -> bytes | None:
        path = self._folder / size / key[:2] / f"{key}.webp"
        try:
            return path.read_bytes()
        except OSError:
            pass
        try:
            data = read()
        except (DataError, OSError):
            return None
        made = _encoded(data, SIDES[size])
        if made is not None:
            with atomic_write(path) as stream:
                stream.write(made)
        return made


def _encoded(data: bytes, side: int) -> bytes | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_image(data, FORMATS) as image:
                if image.width * image.height > MAX_MEGAPIXELS * 1e6:
                    return None
                # Lets the JPEG decoder skip most of its work.
                image.draft("RGB", (2 * side, 2 * side))
                upright = upright_rgb(image, orientation_of(data, FORMATS))
    except PILLOW_FAULTS:
        return None
    upright.thumbnail((side, side), Image.Resampling.LANCZOS)
    # Pillow would write again what strangers wrote into the original; the colours' profile alone is wanted.
    upright.info = {name: value for name, value in upright.info.items() if name == "icc_profile"}
    stream = io.BytesIO()
    upright.save(stream, "WEBP", quality=_QUALITY, method=2)
    return stream.getvalue()
