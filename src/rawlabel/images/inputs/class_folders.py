"""A folder of class folders, as the published trainer and torchvision's ImageFolder read it."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError
from rawlabel.images.image_source import ImageFiles, LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet

_OTHERS = ("index.npy", "*.tar", "*.parquet", "data/*.parquet")
"""What lies in the folders of other formats."""
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"})
_LISTERS = 8
"""Class folders that are listed at once: most of it is waiting for the disk, or for a file server."""


class ClassFolders(Input):
    """A folder with one folder of image files for each class, named by it."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is one."""
        return path.is_dir() and not any(any(path.glob(pattern)) for pattern in _OTHERS)

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """List it whole; no image is read."""
        found = read_class_folders(path)
        listing = "".join(f"{name}:{size};" for name, size in zip(found.names, found.sizes, strict=True))
        digest = hashlib.sha256(listing.encode("utf-8", "surrogateescape"))
        images = LabeledImages(ImageFiles([f"{path}/{name}" for name in found.names], found.names), found.labels)
        return InputSet(tuple(found.class_ids), images, digest.hexdigest())


class ClassFolderListing(NamedTuple):
    """What lies in class folders."""

    class_ids: list[str]
    """Names of the folders, sorted."""
    names: list[str]
    """CLASS/FILE of each image, class by class, sorted."""
    sizes: list[int]
    """[bytes], by image."""
    labels: npt.NDArray[np.int64]
    """Index into `class_ids`, by image."""


def read_class_folders(folder: Path) -> ClassFolderListing:
    """List `folder`/<class>/<image>.

    Raises `DataError` when the folder is missing, holds no class folder, a class is empty, or a file is not there
    when it is looked at.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold one folder of images for each class")
    class_ids = sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    if not class_ids:
        raise DataError(f"{folder}: holds no class folders; put the images of each class into one folder")
    names: list[str] = []
    sizes: list[int] = []
    counts = []
    with ThreadPoolExecutor(_LISTERS) as pool:
        for class_id, files in zip(
            class_ids, pool.map(_image_files, map(folder.joinpath, class_ids)), strict=True
        ):
            names += [f"{class_id}/{name}" for name, _ in files]
            sizes += [size for _, size in files]
            counts.append(len(files))
    return ClassFolderListing(class_ids, names, sizes, np.repeat(np.arange(len(class_ids)), counts))


def _image_files(folder: Path) -> list[tuple[str, int]]:
    """Names of the images of a class, sorted, and their sizes [bytes].

    Without `Path` objects, which take ten times as long as all else.
    """
    try:
        with os.scandir(folder) as entries:
            found = [
                (entry.name, entry.stat().st_size) for entry in entries if _extension(entry.name) in EXTENSIONS
            ]
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: cannot be read ({error.strerror}); put it right or remove it"
        ) from error
    if not found:
        raise DataError(f"{folder}: holds no images; add some or remove the folder")
    return sorted(found)


def _extension(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


PLUGIN = ClassFolders
