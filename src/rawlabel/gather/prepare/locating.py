"""Find out in which of its usual forms ILSVRC2012 lies in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rawlabel.errors import DataError
from rawlabel.gather.classes.reading import is_wordnet_id
from rawlabel.gather.prepare.archives import TrainArchive, ValidationArchive
from rawlabel.gather.prepare.found import Part, PartSource, sorted_names
from rawlabel.gather.prepare.labels import read_devkit, read_solution
from rawlabel.gather.prepare.trees import ClassTree, FlatTree

TRAIN_ARCHIVE, VALIDATION_ARCHIVE = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT, SOLUTION = "ILSVRC2012_devkit_t12", "LOC_val_solution.csv"
_TREES = ("ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC", ".")
"""Where Kaggle's archive has the folders `train` and `val`, and where people move them."""


def locate(source: Path, part: Part) -> PartSource:
    """The photos of `part`: the official archive if it is there, else the first unpacked tree.

    Raises `DataError` that says which file or folder is missing.
    """
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; name the one that holds {TRAIN_ARCHIVE} or Kaggle's `ILSVRC`")
    archive = source / (TRAIN_ARCHIVE if part is Part.TRAIN else VALIDATION_ARCHIVE)
    if archive.is_file():
        return TrainArchive(archive) if part is Part.TRAIN else ValidationArchive(archive, *_labels(source))
    folder_name = "train" if part is Part.TRAIN else "val"
    for tree in _TREES:
        folder = source / tree / folder_name
        names = sorted_names(folder) if folder.is_dir() else []
        if any(is_wordnet_id(name) for name in names):
            return ClassTree(folder)
        if part is Part.TEST and any(name.startswith("ILSVRC2012_val_") for name in names):
            return FlatTree(folder, *_labels(source))
    other = Part.TEST if part is Part.TRAIN else Part.TRAIN
    raise DataError(
        f"{source}: holds neither {archive.name} nor a folder {_TREES[0]}/{folder_name} or {folder_name} with "
        f"photos; download it, unpack Kaggle's archive, or take --part {other} alone"
    )


def _labels(source: Path) -> tuple[Mapping[str, str], Path]:
    """The labels of the validation photos, and where they are from."""
    for path in (source / f"{DEVKIT}.tar.gz", source / DEVKIT):
        if path.exists():
            return read_devkit(path), path
    solution = source / SOLUTION
    if solution.exists():
        return read_solution(solution), solution
    raise DataError(
        f"{source}: holds neither {DEVKIT}.tar.gz nor {SOLUTION}, which have the labels of the validation photos; "
        "download one of them"
    )
