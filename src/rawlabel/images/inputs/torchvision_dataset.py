"""torchvision's image sets."""

from __future__ import annotations

import hashlib
import inspect
import json
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rawlabel.base.files import disk_errors
from rawlabel.errors import ConfigError, DataError, did_you_mean
from rawlabel.images.image_source import ImageArray, ImageSource, LabeledImages, StoredImage
from rawlabel.images.input import Input, InputRequest, InputSet
from rawlabel.images.inputs._items import Items, as_stored
from rawlabel.images.inputs._labels import classes_of
from rawlabel.images.inputs._torchvision_classes import class_names, label_values, stable_order


class Torchvision(Input):
    """An image set of torchvision, `torchvision:CIFAR10`, which is downloaded into ROOT/downloads.

    What else torchvision's class takes is said behind it: `torchvision:EMNIST:split=letters`,
    `torchvision:Imagenette:size=160px`. Without, it is the set's training part for training, and for testing its
    test part, or the validation part where only that has labels.

    Source: https://docs.pytorch.org/vision/stable/datasets.html
    """

    prefix: ClassVar[str | None] = "torchvision"

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Download the set if it is not there yet, and read the labels."""
        place = str(path)
        _, name, *options = place.split(":")
        images = _load(name, options, request, place)
        names, values = class_names(images), label_values(images)
        if values.dtype == object:
            raise DataError(f"{place}: its {request.part} images have no labels; name others")
        if names and names[0] == _NO_CLASS and values.min() > 0:
            names, values = names[1:], values - 1
        order = stable_order(images)
        values = values if order is None else values[order]
        if names and name in _UNSORTED:
            names, values = None, np.asarray(names)[values]
        class_ids, labels = classes_of(values, names, place)
        digest = hashlib.sha256(repr((place, request.part, class_ids)).encode() + labels.tobytes())
        return InputSet(class_ids, LabeledImages(_source(images, order, place), labels), digest.hexdigest())


_NO_CLASS = "N/A"
"""EMNIST's name for the number of a letter that is none."""
_UNSORTED = frozenset({"Omniglot"})
"""Sets that number their classes as the file system lists them."""
_PARTS = {
    "CLEVRClassification": ("split", "train", "val"),
    "ImageNet": ("split", "train", "val"),
    "Imagenette": ("split", "train", "val"),
    "INaturalist": ("version", "2021_train", "2021_valid"),
    "OxfordIIITPet": ("split", "trainval", "test"),
    "Places365": ("split", "train-standard", "val"),
}
"""The argument that chooses the part, and what it is for the training and the test part, where that is not `train`
and `test` of `split`. The test parts of CLEVR, ImageNet and Places365 have no labels."""
_OTHER_TASKS = frozenset(
    {
        "CREStereo", "CarlaStereo", "CelebA", "Cityscapes", "CocoCaptions", "CocoDetection", "ETH3DStereo",
        "FallingThingsStereo", "Flickr30k", "Flickr8k", "FlyingChairs", "FlyingThings3D", "HD1K", "HMDB51",
        "InStereo2k", "Kinetics", "Kitti", "Kitti2012Stereo", "Kitti2015Stereo", "KittiFlow", "LFWPairs",
        "LSUNClass", "Middlebury2014Stereo", "MovingMNIST", "PhotoTour", "SBDataset", "SBU", "SceneFlowStereo",
        "Sintel", "SintelStereo", "UCF101", "VOCDetection", "VOCSegmentation", "VisionDataset", "WIDERFace",
        "wrap_dataset_for_transforms_v2",
    }
)  # fmt: skip
"""What does not give images with one class each."""
_ELSEWHERE = {
    "DatasetFolder": "name the folder itself",
    "ImageFolder": "name the folder itself",
    "LSUN": "torchvision unpickles an index of it from the working folder, which is not safe; put its images into "
    "class folders and name these",
}
_BY_HAND = {
    "ImageNet": "ILSVRC2012's archives, or sort them with `rawlabel prepare imagenet`",
    "FER2013": "fer2013.csv",
    "LFWPeople": "its archive and lists",
    "StanfordCars": "its archives, unpacked",
}
"""What a person must bring, where torchvision downloads nothing."""
_NOT_OPTIONS = frozenset(
    {
        "root", "download", "transform", "target_transform", "transforms", "loader", "target_type", "target_types",
        "is_valid_file", "allow_empty", "compat", "image_size",
    }
)  # fmt: skip
_ERRORS = (
    OSError, RuntimeError, ValueError, TypeError, LookupError, AssertionError, EOFError, pickle.UnpicklingError,
    tarfile.TarError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What torchvision's classes raise over files that are not there, or not what they should be."""


def _load(name: str, options: Sequence[str], request: InputRequest, place: str) -> Any:
    """Make torchvision's object, which downloads what it needs. Raises `ConfigError`, `DataError`, `DiskError`."""
    import torchvision.datasets as known

    if name not in known.__all__:
        usable = [one for one in known.__all__ if one not in _OTHER_TASKS]
        raise ConfigError(f"{place}: torchvision has no set of that name{did_you_mean(name, usable)}")
    if name in _OTHER_TASKS:
        raise ConfigError(f"{place}: is no set of images with one class each; name another")
    if name in _ELSEWHERE:
        raise ConfigError(f"{place}: cannot be read this way; {_ELSEWHERE[name]}")
    set_type = getattr(known, name)
    accepted = _accepted(set_type)
    arguments = _part(name, accepted, request, place) | _options(options, accepted, place)
    for key, one in accepted.items():
        if one.default is inspect.Parameter.empty and key not in {"root", "download", *arguments}:
            choices = ", ".join(getattr(set_type, f"{key}s", ()))
            raise ConfigError(
                f"{place}: say which {key}, as in torchvision:{name}:{key}=VALUE; it is one of {choices}"
            )
    root = request.downloads / name
    if "root" in accepted:
        arguments["root"] = root
        with disk_errors(root):
            root.mkdir(parents=True, exist_ok=True)
    if "download" in accepted:
        arguments["download"] = name not in _BY_HAND
    remedy = f"put {_BY_HAND[name]} into {root}" if name in _BY_HAND else f"check the network and {root}"
    try:
        return set_type(**arguments)
    except ImportError as error:
        raise DataError(f"{place}: needs a package that is not installed ({error}); install it") from error
    except _ERRORS as error:
        if options and isinstance(error, ValueError):
            remedy = "check what is said behind the name"
        raise DataError(f"{place}: cannot be loaded ({_reason(error)}); {remedy}") from error


def _accepted(set_type: type) -> dict[str, inspect.Parameter]:
    """What a set's class can be given by name, also what it hands on to the class it is derived from."""
    found: dict[str, inspect.Parameter] = {}
    for one in set_type.__mro__:
        if "__init__" not in vars(one):
            continue
        own = list(inspect.signature(vars(one)["__init__"]).parameters.values())[1:]
        found = {each.name: each for each in own if each.kind is each.POSITIONAL_OR_KEYWORD} | found
        if not any(each.kind is each.VAR_KEYWORD for each in own):
            break
    return found


def _part(name: str, accepted: dict[str, Any], request: InputRequest, place: str) -> dict[str, Any]:
    """The argument that chooses the training or the test part."""
    if "train" in accepted:
        return {"train": request.part == "train"}
    key, train, test = _PARTS.get(name, ("split", "train", "test"))
    if key in accepted:
        return {key: train if request.part == "train" else test}
    if request.part != "train":
        raise DataError(
            f"{place}: this set has no test images of its own; name others with --test, or leave it out"
        )
    return {}


def _options(options: Sequence[str], accepted: dict[str, inspect.Parameter], place: str) -> dict[str, Any]:
    """Arguments from texts like `split=letters`, of the kind that the class has as its default."""
    known = [key for key in accepted if key not in _NOT_OPTIONS]
    given: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or key not in known:
            raise ConfigError(f"{place}: '{option}' is no KEY=VALUE that this set takes{did_you_mean(key, known)}")
        default = accepted[key].default
        is_text = isinstance(default, str) or default is inspect.Parameter.empty
        try:
            given[key] = text if is_text else json.loads(text)
        except ValueError:
            given[key] = text
        if isinstance(default, bool) and not isinstance(given[key], bool):
            raise ConfigError(f"{place}: {key} is true or false")
    return given


def _reason(error: Exception) -> str:
    """The first line of what a library said, without its advice on how to call it from Python."""
    line = (str(error).splitlines() or [""])[0] or type(error).__name__
    return line.partition(". You can ")[0].rstrip(".")


def _source(images: Any, order: npt.NDArray[np.int64] | None, place: str) -> ImageSource:
    pixels = getattr(images, "data", None)
    if isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 4:
        # CIFAR has the channels last, SVHN and STL10 have them first.
        if pixels.shape[3] == 3:
            return ImageArray(pixels, place)
        if pixels.shape[1] == 3:
            return ImageArray(pixels.transpose(0, 2, 3, 1), place)
    return Items(len(images), partial(_read, images, order, place), place)


def _read(images: Any, order: npt.NDArray[np.int64] | None, place: str, index: int) -> StoredImage:
    try:
        return as_stored(images[index if order is None else int(order[index])][0])
    except OSError as error:
        raise DataError(
            f"{place}: image {index} cannot be read ({_reason(error)}); download or unpack the set again"
        ) from error


PLUGIN = Torchvision
