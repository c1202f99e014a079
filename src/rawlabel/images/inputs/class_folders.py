"""A folder of class folders, as the published trainer and torchvision's ImageFolder read it, and a little more."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.project import is_project
from rawlabel.base.image_files import NO_EXTENSION, describe_ignored, extension_of, images_below, is_image_name
from rawlabel.base.image_header import HEIF_EXTENSIONS, extra_extensions
from rawlabel.errors import DataError
from rawlabel.images.image_source import ImageFiles, LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet

_OTHERS = ("index.npy", "manifest.parquet", "*.tar", "*.parquet", "data/*.parquet")
"""What lies in the folders of other formats."""
_PARTS = frozenset({"train", "training", "test", "val", "valid", "validation"})
"""What the folders of a set are called that are no classes."""
_LISTERS = 8
"""Class folders that are listed at once: most of it is waiting for the disk, or for a file server."""


_OWN = frozenset({"features", "runs"})
"""What training writes beside class folders that lie directly under --root; with an image in it, it is a class."""


class ClassFolders(Input):
    """A folder with one folder of image files for each class, named by it; files may lie in folders inside of it.

    All that torchvision's ImageFolder reads, .gif, .jfif and .avif, and .heic with the extra `heic`. What begins
    with a dot never counts. Beside class folders, files of other formats do not either.
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is a folder that is neither a project nor another format's."""
        return path.is_dir() and not is_project(path) and not is_other_format(path, _OTHERS)

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """List the folders with names and sizes of their files, of which the fingerprint is made.

        No image is opened.
        """
        found = read_class_folders(path)
        listing = "".join(f"{name}:{size};" for name, size in zip(found.names, found.sizes, strict=True))
        digest = hashlib.sha256(listing.encode("utf-8", "surrogateescape"))
        images = LabeledImages(ImageFiles([f"{path}/{name}" for name in found.names], found.names), found.labels)
        return InputSet(tuple(found.class_ids), images, digest.hexdigest(), ignored=_described(found.ignored))


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
    ignored: Counter[str]
    """Files that are no images, by extension."""


def is_other_format(path: Path, patterns: Iterable[str]) -> bool:
    """Whether a folder holds files of `patterns` and does not look like class folders.

    Class folders win as soon as two folders hold images, however deep: such sets are seldom anything else, and a
    stray archive or table beside them is common.
    """
    if not any(any(path.glob(pattern)) for pattern in patterns):
        return False
    folders = (one for one in _folders(path) if _holds_image(path / one))
    return next(folders, None) is None or next(folders, None) is None


def ignored_beside(path: Path) -> str:
    """The folder of images that lies beside the files of another format, in words; empty where none does."""
    folders = (one for one in _folders(path) if _holds_image(path / one)) if path.is_dir() else iter(())
    return next((f"ignored the images in {one}" for one in folders), "")


def read_class_folders(folder: Path) -> ClassFolderListing:
    """List `folder`/<class>/.../<image>.

    Raises `DataError` when the folder is missing, holds no class folder, a class is empty or no text, or a file is
    not there when it is looked at.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold one folder of images for each class")
    class_ids = [one for one in _folders(folder) if one not in _OWN or _holds_image(folder / one)]
    if not class_ids:
        raise DataError(f"{folder}: holds no class folders; put the images of each class into one folder")
    _refuse_names(folder, class_ids)
    names: list[str] = []
    sizes: list[int] = []
    counts = []
    ignored = _beside(folder)
    with ThreadPoolExecutor(_LISTERS) as pool:
        listed = pool.map(partial(_image_files, extra=extra_extensions()), map(folder.joinpath, class_ids))
        for class_id, (files, others) in zip(class_ids, listed, strict=True):
            names += [f"{class_id}/{name}" for name, _ in files]
            sizes += [size for _, size in files]
            counts.append(len(files))
            ignored.update(others)
    if (
        len(class_ids) > 1
        and _PARTS.issuperset(map(str.lower, class_ids))
        and all(n.count("/") > 1 for n in names)
    ):
        raise DataError(
            f"{folder}: holds the parts {', '.join(class_ids)}, each with class folders; name one of them, as in "
            f"{folder / class_ids[0]}"
        )
    return ClassFolderListing(class_ids, names, sizes, np.repeat(np.arange(len(class_ids)), counts), ignored)


def _folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error


def _refuse_names(folder: Path, class_ids: list[str]) -> None:
    """Names that no file of results can hold, and names that a person cannot tell apart."""
    seen: dict[str, str] = {}
    for name in class_ids:
        if not _is_text(name):
            raise DataError(f"{folder}: the name of the class folder {os.fsencode(name)!r} is no UTF-8; rename it")
        composed = unicodedata.normalize("NFC", name)
        if seen.setdefault(composed, name) != name:
            raise DataError(
                f"{folder}: two class folders are called '{composed}', in different Unicode forms; put all of its "
                "images into one of them"
            )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _beside(folder: Path) -> Counter[str]:
    """Files beside the class folders, by extension; images too, since they have no class."""
    with os.scandir(folder) as entries:
        files = (one.name for one in entries if not one.name.startswith(".") and not one.is_dir())
        return Counter(
            f"{extension_of(name) or NO_EXTENSION} outside of class folders"
            if is_image_name(name, extra_extensions())
            else extension_of(name) or NO_EXTENSION
            for name in files
        )


def _image_files(folder: Path, extra: frozenset[str]) -> tuple[list[tuple[str, int]], Counter[str]]:
    """Names of the images of a class, sorted, with their sizes [bytes], and what is none.

    Without `Path` objects, which take ten times as long as all else.
    """
    try:
        found = images_below(folder, extra=extra)
        files = [(name, entry.stat().st_size) for name, entry in found.files]
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: cannot be read ({error.strerror}); put it right or remove it"
        ) from error
    if not files:
        others = f", and {_described(found.ignored)}" if found.ignored else ""
        raise DataError(f"{folder}: holds no images{others}; add some or remove the folder")
    return files, found.ignored


def _described(ignored: Counter[str]) -> str:
    """The ignored files in words; nothing where there are none."""
    if not ignored:
        return ""
    line = f"ignored {describe_ignored(ignored)}"
    are_heic = HEIF_EXTENSIONS.intersection(ignored)
    return f"{line}; `rawlabel[heic]` reads {' and '.join(sorted(are_heic))}" if are_heic else line


def _holds_image(folder: Path) -> bool:
    """Whether an image lies in a folder, however deep; looks no further than the first."""
    extra = extra_extensions()
    for _, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if any(is_image_name(name, extra) for name in names):
            return True
    return False


PLUGIN = ClassFolders
