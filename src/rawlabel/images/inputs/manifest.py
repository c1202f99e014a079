"""A manifest of a project: its kept photos, with the raw labels and the split it brings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from rawlabel.artifacts.project import is_project
from rawlabel.artifacts.split import key_of
from rawlabel.errors import DataError
from rawlabel.images.image_source import ImageFiles, LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet
from rawlabel.images.inputs.class_folders import is_other_format
from rawlabel.records import Split


class ManifestInput(Input):
    """A manifest that `rawlabel curate` made, its folder, or a project, which means its newest manifest."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is a project, or a Parquet file or its folder with a column `verdict`."""
        if is_project(path):
            return True
        file = _file(path)
        if path.is_dir() and not is_other_format(path, [file.name]):
            return False
        try:
            return file.is_file() and "verdict" in pq.read_schema(file).names
        except (pa.ArrowInvalid, OSError):
            return False

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """The kept rows of the manifest, those for training before the held-out ones; no image is opened.

        An image's key is made of its group, or of its path where it has none. Raises `DataError`.
        """
        manifest = read_manifest(_file(path))
        photos = ProjectPhotos(manifest.project)
        index = {class_id: i for i, class_id in enumerate(manifest.class_ids)}
        paths: list[Path] = []
        names: list[str] = []
        labels: list[int] = []
        held: list[bool] = []
        keys: list[int] = []
        for split in (Split.TRAIN, Split.HOLDOUT):
            rows = manifest.kept(split).select(["path", "class_id", "group"]).to_pylist()
            paths += [photos.path(row["path"]) for row in rows]
            names += [row["path"] for row in rows]
            labels += [index[row["class_id"]] for row in rows]
            held += [split == Split.HOLDOUT] * len(rows)
            keys += [key_of(row["group"] or row["path"]) for row in rows]
        source = ImageFiles(paths, names)
        source.remedy = "put it back, or run `rawlabel curate` again; `rawlabel pack` lists all such images"
        images = LabeledImages(source, np.array(labels, dtype=np.int64), np.array(keys, dtype=np.uint64))
        return InputSet(tuple(manifest.class_ids), images, manifest.fingerprint, np.array(held, dtype=bool))


def _file(path: Path) -> Path:
    if is_project(path):
        newest = newest_manifest(path)
        if newest is None:
            raise DataError(f"{path}: is a project that holds no manifest; run `rawlabel curate` first")
        return newest
    return path / "manifest.parquet" if path.is_dir() else path


PLUGIN = ManifestInput
