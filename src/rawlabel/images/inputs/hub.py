"""Image sets of the Hugging Face hub, through its `datasets` library."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rawlabel.errors import ConfigError, DataError, did_you_mean
from rawlabel.images.image_source import LabeledImages, StoredImage
from rawlabel.images.input import Input, InputRequest, InputSet
from rawlabel.images.inputs._items import Items
from rawlabel.images.inputs._labels import classes_of


class Hub(Input):
    """An image set of the Hugging Face hub, `hub:NAME` or `hub:NAME:SPLIT`; needs the extra `hub`.

    Without a split, it is `train` for training, and `test` or else `validation` for testing. The set is kept where
    `datasets` keeps all of its sets, and mapped from there.

    Source: https://huggingface.co/docs/datasets/loading
    """

    prefix: ClassVar[str | None] = "hub"

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Download the set if it is not there yet, and read the labels."""
        place = str(path)
        name, _, split = place.partition(":")[2].partition(":")
        if not name:
            raise DataError(f"{place}: names no set; write hub:NAME or hub:NAME:SPLIT")
        table = _load(name, split, request.part, place)
        features = table.features
        image = _column(table, request.image_column, "Image", "--image-column", place)
        label = _column(table, request.label_column, "ClassLabel", request.label_flag, place)
        column = table.select_columns([label]).with_format("arrow")[:][label]
        if column.null_count or not len(column):
            raise DataError(
                f"{place}: {column.null_count} of {len(column)} labels are missing; choose another split"
            )
        names = getattr(features[label], "names", None)
        class_ids, labels = classes_of(column.to_numpy(), names, f"{place}: column '{label}'")
        encoded = table.select_columns([image]).cast_column(image, _encoded())

        def read_item(index: int) -> StoredImage:
            return _bytes_of(encoded[index][image], f"{place}: image {index}")

        digest = hashlib.sha256(repr((name, table._fingerprint, label, class_ids)).encode())
        digest.update(labels.tobytes())
        source = Items(len(labels), read_item, place)
        return InputSet(class_ids, LabeledImages(source, labels), digest.hexdigest())


def _load(name: str, split: str, part: str, place: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ConfigError(f"{place}: needs the extra `hub`; install `rawlabel[hub]`") from error
    try:
        sets = datasets.load_dataset(name)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{place}: cannot be loaded ({_first_line(error)}); check the name and the network"
        ) from error
    wanted = [split] if split else ["train"] if part == "train" else ["test", "validation"]
    for one in wanted:
        if one in sets:
            return sets[one]
    raise DataError(f"{place}: has no split '{wanted[0]}'; its splits: {', '.join(map(str, sets))}")


def _encoded() -> Any:
    import datasets

    return datasets.Image(decode=False)


def _column(table: Any, wanted: str | None, kind: str, flag: str, place: str) -> str:
    """The column asked for, or the only one of a kind; never a guess among several."""
    names: list[str] = list(table.column_names)
    if wanted is not None:
        if wanted not in names:
            raise ConfigError(f"{flag} {wanted}: {place} has no such column{did_you_mean(wanted, names)}")
        return wanted
    fitting = [name for name in names if type(table.features[name]).__name__ == kind]
    fitting = ["label"] if kind == "ClassLabel" and "label" in names else fitting
    if len(fitting) != 1:
        raise DataError(f"{place}: name the column by {flag}: {', '.join(fitting or names)}")
    return fitting[0]


def _bytes_of(image: Any, place: str) -> StoredImage:
    if image and image.get("bytes"):
        return np.frombuffer(image["bytes"], dtype=np.uint8)
    if image and image.get("path"):
        try:
            return np.fromfile(image["path"], dtype=np.uint8)
        except OSError as error:
            raise DataError(f"{place}: cannot be read ({error.strerror}); load the set again") from error
    raise DataError(f"{place}: is missing; choose another split")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


PLUGIN = Hub
