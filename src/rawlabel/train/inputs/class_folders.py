"""A folder of class folders, as the published trainer and torchvision's ImageFolder read it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError
from rawlabel.train.image_source import ImageFiles, LabeledImages
from rawlabel.train.inputs import Input, InputRequest, InputSet

_OTHERS = ("index.npy", "*.tar", "*.parquet", "data/*.parquet")
"""What lies in the folders of other formats."""
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"})


class ClassFolders(Input):
    """A folder with one folder of image files for each class, named by it."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is one."""
        return path.is_dir() and not any(any(path.glob(pattern)) for pattern in _OTHERS)

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Read it whole."""
        class_ids, paths, labels = read_class_folders(path)
        names = [one.relative_to(path).as_posix() for one in paths]
        digest = hashlib.sha256()
        for name, one in zip(names, paths, strict=True):
            digest.update(f"{name}:{one.stat().st_size};".encode("utf-8", "surrogateescape"))
        return InputSet(tuple(class_ids), LabeledImages(ImageFiles(paths, names), labels), digest.hexdigest())


def read_class_folders(folder: Path) -> tuple[list[str], list[Path], npt.NDArray[np.int64]]:
    """Class ids (sorted folder names), files (sorted) and labels of `folder`/<class>/<image>.

    Raises `DataError` when the folder is missing, holds no class folder, or a class is empty.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; it should hold one folder of images for each class")
    class_ids = sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    if not class_ids:
        raise DataError(f"{folder}: holds no class folders; put the images of each class into one folder")
    paths: list[Path] = []
    labels: list[int] = []
    for index, class_id in enumerate(class_ids):
        files = sorted(one for one in (folder / class_id).iterdir() if one.suffix.lower() in EXTENSIONS)
        if not files:
            raise DataError(f"{folder / class_id}: holds no images; add some or remove the folder")
        paths += files
        labels += [index] * len(files)
    return class_ids, paths, np.array(labels, dtype=np.int64)


PLUGIN = ClassFolders
