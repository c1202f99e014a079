"""Test sets: how the settings name them, and how they are read, their labels by the classes of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np

from rawlabel.artifacts.project import downloads_path, how_to_get
from rawlabel.base import messages, processes
from rawlabel.config import TrainConfig
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.input import InputRequest, InputSet, is_address, locate, read_input
from rawlabel.training.data import TrainingData

TEST_LABEL_FLAG = "--test-label-column"


def named_sets(config: TrainConfig, data: TrainingData) -> dict[str, tuple[Path, InputSet]]:
    """The test sets of a training by what the log calls them, `test` and `subset`, with their places.

    Raises `DataError`.
    """
    named = {"test": config.test, "subset": config.sub}
    places = {key: locate(config.root, name) for key, name in named.items() if name}
    request = test_request(config)
    return {
        key: (place, read_test_input(place, list(data.class_ids), request, data.left_out))
        for key, place in places.items()
    }


def test_request(config: TrainConfig) -> InputRequest:
    """What is wanted of a test set, by the settings: columns, limits, and whether a part will do."""
    return InputRequest(
        "test",
        config.test_label_column,
        config.image_column,
        TEST_LABEL_FLAG,
        downloads_path(config.root),
        config.max_megapixels,
        config.partial_test,
    )


def read_test_set(
    path: Path, class_ids: list[str], request: InputRequest | None = None, left_out: Sequence[str] = ()
) -> LabeledImages:
    """The images of a test set, see `read_test_input`."""
    return read_test_input(path, class_ids, request, left_out).images


def read_test_input(
    path: Path, class_ids: list[str], request: InputRequest | None = None, left_out: Sequence[str] = ()
) -> InputSet:
    """A test set, its images labeled by index into `class_ids`; those of `left_out` classes are left out.

    Raises `DataError` when its classes are not exactly the training classes; where `request` says so, some may be
    missing. Names in different Unicode forms, as Apple's and other systems write them, are one class.
    """
    if not is_address(path) and not path.exists():
        layout = how_to_get(path.parent, path.name)
        raise DataError(f"{path}: no such folder; it should hold one folder of images for each class{layout}")
    request = request or InputRequest("test", label_flag=TEST_LABEL_FLAG)
    found = read_input(path, request)
    if found.ignored and processes.is_first():
        messages.warn(f"{path}: {found.ignored}")
    places = {normalize("NFC", class_id): index for index, class_id in enumerate(class_ids)}
    known = {*places, *(normalize("NFC", class_id) for class_id in left_out)}
    names = [normalize("NFC", class_id) for class_id in found.class_ids]
    for name, class_id in zip(names, found.class_ids, strict=True):
        if name not in known:
            raise DataError(f"{path}: class '{class_id}' is not among the training classes; leave it out")
    missing = [class_id for class_id in class_ids if normalize("NFC", class_id) not in names]
    if missing and not request.may_lack_classes:
        raise DataError(
            f"{path}: training class '{missing[0]}' is missing; add images of it, or measure on the others with "
            "--partial-test"
        )
    if len(missing) == len(class_ids):
        raise DataError(f"{path}: holds none of the training classes; name another test set")
    index = np.array([places.get(name, -1) for name in names], dtype=np.int64)
    labels = index[found.images.labels]
    images = replace(found.images, labels=labels).select(np.flatnonzero(labels >= 0))
    return replace(found, class_ids=tuple(class_ids), images=images)
