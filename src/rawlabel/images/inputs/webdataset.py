"""WebDataset shards, read at random."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from rawlabel.base.files import read_json
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet
from rawlabel.images.inputs._labels import classes_of
from rawlabel.images.inputs._parts import files_of_part
from rawlabel.images.inputs._tar_index import TarImages, read_index
from rawlabel.images.inputs.class_folders import ignored_beside, is_other_format


class WebDataset(Input):
    """A folder of WebDataset shards (`*.tar`), as `rawlabel export` and img2dataset write them.

    The label is the sample's `cls`, or what --label-column names: another ending, or a key of the sample's JSON.
    Class names are those of `index.json`, if there is one. An index of the shards is kept beside them.

    Source: https://github.com/webdataset/webdataset
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is a folder with TAR files that no other format claims."""
        return path.is_dir() and is_other_format(path, ["*.tar"])

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Read the index of the shards, made at the first time, and the labels; no image is decoded.

        Raises `DataError` for shards that are missing and for labels that cannot be read.
        """
        _refuse_missing_shards(path)
        shards, are_held_out = files_of_part(list(path.glob("*.tar")), request.part)
        index = read_index(path, shards, request.label_column, request.label_flag)
        place, texts = f"{path}: its labels", index.labels
        are_numbers = all(
            text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 19 for text in texts
        )
        values = texts.astype(np.int64) if are_numbers else texts
        names = _class_names(path) if are_numbers and request.label_column is None else None
        class_ids, labels = classes_of(values, names, place)
        digest = hashlib.sha256(repr((class_ids, request.label_column)).encode())
        digest.update(labels.tobytes() + index.sizes.tobytes() + "\n".join(index.names).encode("utf-8", "replace"))
        held = np.array(are_held_out, dtype=bool)[index.shards]
        images = LabeledImages(TarImages(shards, index), labels)
        return InputSet(class_ids, images, digest.hexdigest(), held if held.any() else None, ignored_beside(path))


def _refuse_missing_shards(folder: Path) -> None:
    """An export lists its shards; one that is not there would be a part of the set lost in silence."""
    place = folder / "index.json"
    index = read_json(place, "the list of the shards") if place.is_file() else {}
    shards = index.get("shards", []) if isinstance(index, dict) else []
    for name in (one.get("file") for one in shards if isinstance(one, dict)):
        if isinstance(name, str) and not (folder / Path(name).name).is_file():
            raise DataError(
                f"{folder / Path(name).name}: is missing, and index.json lists it; export or copy it again"
            )


def _class_names(folder: Path) -> list[str] | None:
    """The class ids of the index that an export wrote."""
    place = folder / "index.json"
    if not place.is_file():
        return None
    index = read_json(place, "the classes of the shards")
    try:
        return [str(one["class_id"]) for one in index["classes"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{place}: does not list the classes; export again, or remove it") from error


PLUGIN = WebDataset
