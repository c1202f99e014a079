"""torchvision's image sets."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rawlabel.errors import ConfigError, DataError, did_you_mean
from rawlabel.train.image_source import ImageArray, ImageSource, LabeledImages
from rawlabel.train.inputs import Input, InputRequest, InputSet
from rawlabel.train.inputs._items import Items, as_stored
from rawlabel.train.inputs._labels import classes_of


class Torchvision(Input):
    """An image set of torchvision, `torchvision:CIFAR10`, which is downloaded into ROOT/downloads.

    Source: https://docs.pytorch.org/vision/stable/datasets.html
    """

    prefix: ClassVar[str | None] = "torchvision"

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Download the set if it is not there yet, and read the labels."""
        place = str(path)
        images = _load(place.partition(":")[2], request, place)
        values = next(
            (getattr(images, name) for name in ("targets", "labels", "_labels") if hasattr(images, name)), None
        )
        labels = np.asarray([images[index][1] for index in range(len(images))] if values is None else values)
        names = getattr(images, "classes", None)
        names = [one if isinstance(one, str) else ", ".join(one) for one in names] if names else None
        class_ids, labels = classes_of(labels, names, place)
        digest = hashlib.sha256(repr((place, request.part, class_ids)).encode() + labels.tobytes())
        return InputSet(class_ids, LabeledImages(_source(images, place), labels), digest.hexdigest())


_SPLITS = {"train": ("train", "trainval"), "test": ("test", "val")}
"""What torchvision's sets call their parts, the usual name first."""


def _load(name: str, request: InputRequest, place: str) -> Any:
    import torchvision.datasets as known

    if name not in known.__all__:
        raise ConfigError(f"{place}: torchvision has no set of that name{did_you_mean(name, known.__all__)}")
    set_type = getattr(known, name)
    accepted = inspect.signature(set_type).parameters
    arguments: dict[str, Any] = {}
    if "root" in accepted:
        arguments["root"] = request.downloads / name
        arguments["root"].mkdir(parents=True, exist_ok=True)
    if "download" in accepted:
        arguments["download"] = True
    if "train" in accepted:
        arguments["train"] = request.part == "train"
    has_splits = "split" in accepted and "train" not in accepted
    if request.part != "train" and "train" not in accepted and not has_splits:
        raise DataError(
            f"{place}: this set has no test images of its own; name others with --test, or leave it out"
        )
    first, second = _SPLITS[request.part]
    try:
        if not has_splits:
            return set_type(**arguments)
        try:
            return set_type(**arguments, split=first)
        except ValueError:
            return set_type(**arguments, split=second)
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{place}: cannot be loaded ({reason}); check the network and {request.downloads}"
        ) from error


def _source(images: Any, place: str) -> ImageSource:
    pixels = getattr(images, "data", None)
    if isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 4:
        # CIFAR has the channels last, SVHN and STL10 have them first.
        if pixels.shape[3] == 3:
            return ImageArray(pixels, place)
        if pixels.shape[1] == 3:
            return ImageArray(pixels.transpose(0, 2, 3, 1), place)
    return Items(len(images), lambda index: as_stored(images[index][0]), place)


PLUGIN = Torchvision
