"""A collection made of the user's own photos: a folder for each class, whose name is the true content."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from rawlabel.errors import DataError
from rawlabel_photo_site.pictures.drawings import SUBJECTS
from rawlabel_photo_site.world.keywords import keyword_of
from rawlabel_photo_site.world.photos import SamplePicture

_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"})
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_ORIENTATION = 0x0112
_SMALLEST_SIDE = 32


@dataclass(frozen=True, slots=True)
class FilePicture:
    """A photo in a file, upright."""

    path: str
    width: int
    height: int

    def draw(self, width: int, height: int) -> Image.Image:
        """The photo as RGB, `width` x `height` pixels. Raises OSError if the file cannot be decoded."""
        with Image.open(self.path, formats=_FORMATS) as image:
            image.draft("RGB", (width, height))
            upright = ImageOps.exif_transpose(image).convert("RGB")
        return upright.resize((width, height), Image.Resampling.LANCZOS)


class FolderCollection:
    """Classes are the sub-folders of `photos`, in order of their names; deeper folders belong to them.

    Each photo shows up once, apart from re-uploads. Siblings of a class are the next two folders.
    """

    def __init__(self, photos: Path, test_photos: Path | None, seed: int) -> None:
        self._pictures = _tree(photos, "--photos")
        for name, pictures in self._pictures.items():
            random.Random(f"folder/{seed}/{name}").shuffle(pictures)
        self.classes = tuple(self._pictures)
        self.test: tuple[SamplePicture, ...] = ()
        if test_photos is not None:
            self.test = tuple(
                SamplePicture(Path(picture.path).relative_to(test_photos).as_posix(), name, picture)
                for name, pictures in _tree(test_photos, "--test-photos").items()
                if name in self._pictures
                for picture in pictures
            )
        words = {word for name in self.classes for word in keyword_of(name).split()}
        self._subjects = [subject for subject in SUBJECTS if not words & {subject, f"{subject}s"}]

    def siblings(self, name: str) -> tuple[str, ...]:
        """The next two folders, or fewer when there are no more."""
        position, count = self.classes.index(name), len(self.classes)
        return tuple(self.classes[(position + step) % count] for step in (1, 2) if step < count)

    def homonym(self, name: str) -> str:
        """The drawn subject that bears this class's name; none of the classes."""
        return self._subjects[self.classes.index(name) % len(self._subjects)]

    def supply(self, name: str) -> int | None:
        """Number of different pictures that the folder has of a class; no photo shows one twice."""
        return len(self._pictures[name])

    def picture(self, name: str, index: int, series: str) -> FilePicture:
        """The `index`-th photo of the shuffled folder."""
        return self._pictures[name][index]


def _tree(root: Path, flag: str) -> dict[str, list[FilePicture]]:
    """Readable pictures by the name of the sub-folder; folders without any are left out."""
    if not root.is_dir():
        raise DataError(
            f"{flag} {root} is no folder; name a folder that has one sub-folder of photos for each class."
        )
    found: dict[str, list[FilePicture]] = {}
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    for folder in folders:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and path.is_file())
        pictures = [picture for picture in map(_measured, files) if picture is not None]
        if pictures:
            found[folder.name] = pictures
    if not found:
        raise DataError(f"{flag} {root} has no images; put them in one sub-folder for each class.")
    return found


def _measured(path: Path) -> FilePicture | None:
    """The picture with its upright size; None if its header cannot be read or it is too small to offer."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION, 1) >= 5
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None
    if min(width, height) < _SMALLEST_SIDE:
        return None
    return FilePicture(str(path), *((height, width) if turned else (width, height)))
