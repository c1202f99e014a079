"""What is trained on: image files with raw labels, from a manifest or from class folders."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.config import TrainConfig
from rawlabel.errors import DataError
from rawlabel.image_store import ProjectPhotos
from rawlabel.manifest import newest_manifest, read_manifest
from rawlabel.project import export_path
from rawlabel.records import Split
from rawlabel.split import split_of

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"})


@dataclass(frozen=True)
class ImageList:
    """Image files and their labels: `labels[i]` is the class index of `paths[i]` (int64)."""

    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class TrainingData:
    """Raw-label photos to train on and to hold out."""

    class_ids: tuple[str, ...]
    train: ImageList
    holdout: ImageList
    fingerprint: str
    """Hex digest that changes with the data or its labels."""
    origin: Path
    """The manifest or folder."""


def load_training_data(config: TrainConfig) -> TrainingData:
    """Find and read the training data that `config` names.

    Raises `DataError` that names the file or folder and the remedy.
    """
    path = _locate(config)
    data = _from_manifest(path) if path.is_file() else _from_class_folders(path, config)
    if len(data.class_ids) < 2:
        raise DataError(f"{path}: holds one class; a classifier needs at least two")
    absent = set(range(len(data.class_ids))) - set(data.train.labels.tolist())
    if absent:
        name = data.class_ids[min(absent)]
        raise DataError(f"{path}: class '{name}' has no training image; add some or lower --holdout")
    return data


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


def _locate(config: TrainConfig) -> Path:
    if config.main is not None:
        path = config.root / config.main
        if not path.exists():
            raise DataError(f"{path}: no such folder or manifest; check --root and --main")
        return path
    path = newest_manifest(config.root) or export_path(config.root)
    if not path.exists():
        raise DataError(f"{config.root}: holds neither a manifest nor `candidate`; name the data with --main")
    return path


def _from_manifest(path: Path) -> TrainingData:
    manifest = read_manifest(path)
    photos = ProjectPhotos(manifest.project)
    index = {class_id: i for i, class_id in enumerate(manifest.class_ids)}

    def images(split: Split) -> ImageList:
        rows = manifest.kept(split).select(["path", "class_id"]).to_pylist()
        labels = np.array([index[row["class_id"]] for row in rows], dtype=np.int64)
        return ImageList(tuple(photos.path(row["path"]) for row in rows), labels)

    return TrainingData(
        tuple(manifest.class_ids), images(Split.TRAIN), images(Split.HOLDOUT), manifest.fingerprint, path
    )


def _from_class_folders(folder: Path, config: TrainConfig) -> TrainingData:
    """Hold out by a hash of the file's name, so that added files never move the others."""
    class_ids, paths, labels = read_class_folders(folder)
    digest = hashlib.sha256()
    held = np.zeros(len(paths), dtype=bool)
    for i, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}:{path.stat().st_size};".encode())
        held[i] = split_of(name, config.seed or 0, config.holdout) == Split.HOLDOUT

    def images(mask: npt.NDArray[np.bool_]) -> ImageList:
        return ImageList(tuple(path for path, one in zip(paths, mask, strict=True) if one), labels[mask])

    digest.update(f"holdout={config.holdout}:{config.seed or 0}".encode())
    return TrainingData(tuple(class_ids), images(~held), images(held), digest.hexdigest(), folder)
