"""A manifest of a project: its kept photos, with the raw labels and the split it brings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import read_manifest
from rawlabel.artifacts.split import key_of
from rawlabel.images.image_source import ImageFiles, LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet
from rawlabel.records import Split


class ManifestInput(Input):
    """A manifest that `rawlabel curate` made, or its folder."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is one."""
        file = _file(path)
        try:
            return file.is_file() and "verdict" in pq.read_schema(file).names
        except (pa.ArrowInvalid, OSError):
            return False

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Read it whole."""
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
        images = LabeledImages(
            ImageFiles(paths, names), np.array(labels, dtype=np.int64), np.array(keys, dtype=np.uint64)
        )
        return InputSet(tuple(manifest.class_ids), images, manifest.fingerprint, np.array(held, dtype=bool))


def _file(path: Path) -> Path:
    return path / "manifest.parquet" if path.is_dir() else path


PLUGIN = ManifestInput
