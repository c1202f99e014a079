"""A folder that `rawlabel pack` wrote: opened by mapping files into memory, however many images there are."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from rawlabel.base.files import read_json
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet
from rawlabel.images.inputs.class_folders import is_other_format
from rawlabel.images.packed_images import PackedImages, read_index


class PackInput(Input):
    """A pack: images.bin, index.npy, names.txt, classes.json and pack.json."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is a folder that `rawlabel pack` wrote: `index.npy` and no other format's files."""
        return (path / "index.npy").is_file() and is_other_format(path, ["index.npy"])

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Map the index; no image and no name is read."""
        facts = read_json(path / "pack.json", "what `rawlabel pack` wrote")
        class_ids = read_json(path / "classes.json", "the class ids of a pack")
        is_known = isinstance(facts, dict) and isinstance(facts.get("fingerprint"), str)
        if not is_known or not isinstance(class_ids, list) or not all(isinstance(one, str) for one in class_ids):
            raise DataError(f"{path}: is no whole pack; remove the folder and run `rawlabel pack` again")
        index = read_index(path, len(class_ids))
        labels, split = index["label"].astype(np.int64), index["split"]
        digest = hashlib.sha256(facts["fingerprint"].encode())
        digest.update(labels.data)
        is_held_out = split == 1 if (split >= 0).all() else None
        keys = np.ascontiguousarray(index["key"])
        images = LabeledImages(PackedImages(path, index), labels, keys)
        return InputSet(tuple(class_ids), images, digest.hexdigest(), is_held_out)


PLUGIN = PackInput
