"""Formats that images and labels come in: one file each, found by what lies at a path or by a name's prefix.

To add one, write `<name>.py` with `PLUGIN`; `--main`, `--test`, `--sub` and `--mix` read it then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from rawlabel.base import families
from rawlabel.config.declaring import MAX_MEGAPIXELS
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages


@dataclass(frozen=True, slots=True)
class InputRequest:
    """What is wanted of an input."""

    part: str = "train"
    """`train` or `test`, for inputs that hold both."""
    label_column: str | None = None
    """Column of the labels, for tables that have several."""
    image_column: str | None = None
    """Column of the images."""
    label_flag: str = "--label-column"
    """The flag that names the column of the labels, for messages."""
    downloads: Path = Path("downloads")
    """Folder for what an input fetches."""
    max_megapixels: float = MAX_MEGAPIXELS
    """Larger images are not decoded."""
    may_lack_classes: bool = False
    """Whether a test set without images of some training classes is taken."""


@dataclass(frozen=True)
class InputSet:
    """Images with raw labels, as an input holds them."""

    class_ids: tuple[str, ...]
    images: LabeledImages
    fingerprint: str
    """Hex digest that changes with the data or its labels."""
    is_held_out: npt.NDArray[np.bool_] | None = None
    """The split that the input brings with it, if any."""
    ignored: str = ""
    """What lies there and is no image, in words; empty where nothing does."""


class Input(ABC):
    """Base of all input formats."""

    prefix: ClassVar[str | None] = None
    """Of inputs that lie nowhere in particular: what their addresses, such as `hub:NAME`, begin with."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether what lies at `path` is of this format; a look, no reading. At most one format may say so."""
        return cls.prefix is not None and str(path).startswith(f"{cls.prefix}:")

    @abstractmethod
    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Return what lies there. Raises `DataError` that names the file or folder and the remedy."""


def locate(root: Path, text: str) -> Path:
    """What `text`, as --main or --test gave it, names: a place under `root`, or an address such as `hub:NAME`."""
    return Path(text) if is_address(Path(text)) else root / text


def is_address(path: Path) -> bool:
    """Whether `path` is an address with a prefix, for which nothing need be on the disk."""
    return any(one.prefix is not None and str(path).startswith(f"{one.prefix}:") for one in _input_types())


def _input_types() -> list[type[Input]]:
    return [families.load(families.Family.INPUT, name) for name in families.names(families.Family.INPUT)]


def read_input(path: Path, request: InputRequest) -> InputSet:
    """Read images and labels in whatever format. Raises `DataError` that names the place and the remedy."""
    for input_type in _input_types():
        if input_type.claims(path):
            found = input_type().read(path, request)
            found.images.source.max_megapixels = request.max_megapixels
            return found
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    beside = sorted(one.name for one in path.iterdir() if one.is_file()) if path.is_dir() else []
    stray = f", or take {beside[0]} away, if the folders beside it are the classes" if beside else ""
    raise DataError(f"{path}: is in no format that can be read; `rawlabel formats` lists those that can{stray}")
