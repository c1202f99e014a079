"""What a source of photos hands over: photos in batches, each with its class or the reason to leave it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rawlabel.base.files import disk_errors
from rawlabel.errors import DataError

Wanted = frozenset[str] | None
"""Classes that are asked for; None for all."""


class Part(StrEnum):
    """The two sides of the data set; the value is the name of the folder."""

    TRAIN = "train"
    TEST = "test"

    def describe(self) -> str:
        """The part as ILSVRC calls it in its own files and pages: training or validation."""
        return "training" if self is Part.TRAIN else "validation"


class LeftOut(StrEnum):
    """Why a file of the source is not in the class folders."""

    OTHER_CLASS = "other_class"
    NO_PHOTO = "no_photo"
    NO_LABEL = "no_label"
    REPEATED = "repeated"

    def describe(self) -> str:
        """The reason in words, as the summary prints it behind the count of files that were left out."""
        return {
            LeftOut.OTHER_CLASS: "of a class that was not asked for",
            LeftOut.NO_PHOTO: "no photo by its name",
            LeftOut.NO_LABEL: "without a label",
            LeftOut.REPEATED: "a name that was there before",
        }[self]


@dataclass(frozen=True, slots=True)
class Found:
    """One file of the source. The bytes are kept as they are, whatever format they turn out to have.

    ILSVRC2012 has one PNG file and some CMYK ones among its training photos, all of them named .JPEG.
    """

    name: str
    class_id: str = ""
    left_out: LeftOut | None = None
    read: Callable[[], bytes] | None = None
    """Its bytes, where it lies in an archive; to be called before the next one is asked for."""
    path: Path | None = None
    """Where it lies unpacked."""

    def data(self) -> bytes:
        """The bytes of the photo, from its archive or its file.

        Raises `DataError` that names a file that cannot be read.
        """
        if self.read is not None:
            return self.read()
        assert self.path is not None
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror}); check the source") from error


@dataclass(frozen=True, slots=True)
class Batch:
    """Photos that are noted as done together. Those of a batch that was done before are not asked for."""

    key: str
    photos: Iterator[Found]


class PartSource(ABC):
    """Where the photos of one part come from."""

    def __init__(
        self,
        where: Path,
        description: str,
        labels: Mapping[str, str] | None = None,
        num_batches: int | None = None,
    ) -> None:
        self.where = where
        """The archive or folder."""
        self.description = description
        """What it is, for people."""
        self.labels = labels
        """Class of each photo by its name without suffix, where the source says so in a list."""
        self.num_batches = num_batches
        """How many batches there are, where that is known beforehand."""
        self.skipped_classes = 0
        """Classes that were not asked for, and whose photos `batches` therefore did not look at."""

    @abstractmethod
    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """The photos of the wanted classes, batch by batch; raises `DataError`."""


def sorted_names(folder: Path) -> list[str]:
    """Names in a folder, hidden ones aside, sorted; raises `DataError`."""
    try:
        return sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check the source") from error


def count_files(folder: Path) -> int:
    """Number of entries of a folder, 0 when it is not there."""
    with disk_errors(folder):
        return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
