"""Images by their position, wherever they lie: in files, in a packed file, in an array."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.split import key_of
from rawlabel.config.declaring import MAX_MEGAPIXELS
from rawlabel.errors import DataError

StoredImage = npt.NDArray[np.uint8]
"""One image as it is stored: the bytes of an image file [bytes], or pixels [height, width, 3] in RGB."""


class UnreadableImage(DataError):
    """An image that is gone or damaged."""

    def __init__(self, fact: str, remedy: str) -> None:
        super().__init__(f"{fact}; {remedy}")
        self.fact = fact
        """Which image, and what is wrong with it."""


class ImageSource(ABC):
    """Images by position; several threads may read at once. Labels are kept elsewhere."""

    max_megapixels: float = MAX_MEGAPIXELS
    """Larger images are not decoded."""
    remedy: str = "remove it; `rawlabel pack` lists all such images"
    """What to do about an image that cannot be read or decoded."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, index: int) -> StoredImage:
        """Return an image as it is stored. Raises `DataError` that names it when it cannot be read."""

    @abstractmethod
    def name(self, index: int) -> str:
        """What the image is called: unique in the source, the same in every run."""

    def where(self, index: int) -> str:
        """Where a person finds the image, for messages."""
        return self.name(index)

    @property
    def pixel_shape(self) -> tuple[int, int] | None:
        """Height and width of every image, where all are pixels of one size side by side; None otherwise."""
        return None

    def side_by_side(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The images at `rows` as one array [images, height, width, 3], where there is a `pixel_shape`."""
        raise NotImplementedError

    @property
    def advice_at_random(self) -> str | None:
        """What to tell a person who has the images read at random, where that is slow; None where it is not."""
        return None

    def select(self, rows: npt.NDArray[np.int64]) -> ImageSource:
        """The images at positions `rows` [n], in that order and as often as they are named.

        Nothing is read yet.
        """
        return SelectedImages(self, rows)


class ImageFiles(ImageSource):
    """Image files, called by `names`, or else by their paths."""

    def __init__(self, paths: Sequence[Path | str], names: Sequence[str] | None = None) -> None:
        self.paths, self._names = paths, names

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> StoredImage:
        """The bytes [n] of the file as they are.

        Raises `UnreadableImage` where it is gone, a folder, a pipe or a device.
        """
        path = self.paths[index]
        try:
            # Without waiting for whoever might write into a pipe of that name.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            with os.fdopen(descriptor, "rb", buffering=0) as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise UnreadableImage(f"{path}: is no file, but a folder, pipe or device", self.remedy)
                return np.fromfile(stream, dtype=np.uint8)
        except OSError as error:
            raise UnreadableImage(f"{path}: cannot be read ({error.strerror})", self.remedy) from error

    def name(self, index: int) -> str:
        """What the image is called: the name that was given with its path, or else the path."""
        return self._names[index] if self._names is not None else str(self.paths[index])

    def where(self, index: int) -> str:
        """The path of the image's file, for messages."""
        return str(self.paths[index])


class NumberedImages(ImageSource):
    """Base of images that are called by their position in `place`, where each is an `item`."""

    place: str
    item = "image"

    def name(self, index: int) -> str:
        """The position in seven digits, "0000042", since such images have no names of their own."""
        return f"{index:07d}"

    def where(self, index: int) -> str:
        """Place, item and position, "train.parquet: row 42", for messages."""
        return f"{self.place}: {self.item} {index}"


def locate(ends: Sequence[int], index: int) -> tuple[int, int]:
    """Which part an index lies in, and where in that part; `ends` are the parts' cumulated lengths."""
    number = bisect_right(ends, index)
    return number, index - (ends[number - 1] if number else 0)


class ImageArray(NumberedImages):
    """Images of one size in an array [images, height, width, 3] in RGB, in memory or mapped from a file."""

    def __init__(self, pixels: npt.NDArray[np.uint8], place: str) -> None:
        self._pixels, self.place = pixels, place

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, index: int) -> StoredImage:
        """The pixels [height, width, 3] at this position, a view of the array and not a copy."""
        pixels: StoredImage = self._pixels[index]
        return pixels

    @property
    def pixel_shape(self) -> tuple[int, int] | None:
        """Height and width [pixels] of every image, which one array makes the same for all."""
        height, width = self._pixels.shape[1:3]
        return height, width

    def side_by_side(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The pixels [images, height, width, 3] at positions `rows`, copied out of the array."""
        return self._pixels[rows]


class SelectedImages(ImageSource):
    """Some images of a source, in an order of their own."""

    def __init__(self, source: ImageSource, rows: npt.NDArray[np.int64]) -> None:
        self.source, self.rows = source, rows
        self.max_megapixels, self.remedy = source.max_megapixels, source.remedy

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int) -> StoredImage:
        """The image as the source has it stored, by position in the selection.

        Raises `DataError` as the source does.
        """
        return self.source.read(int(self.rows[index]))

    def name(self, index: int) -> str:
        """What the source calls the image, by position in the selection."""
        return self.source.name(int(self.rows[index]))

    def where(self, index: int) -> str:
        """Where the source says that a person finds the image, by position in the selection."""
        return self.source.where(int(self.rows[index]))

    @property
    def pixel_shape(self) -> tuple[int, int] | None:
        """Height and width [pixels] of every image of the source; None where they differ."""
        return self.source.pixel_shape

    def side_by_side(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The pixels [images, height, width, 3] at positions `rows` of the selection."""
        return self.source.side_by_side(self.rows[rows])

    @property
    def advice_at_random(self) -> str | None:
        """What the source says to who reads it at random. A selection is as slow as what it is taken from."""
        return self.source.advice_at_random

    def select(self, rows: npt.NDArray[np.int64]) -> ImageSource:
        """A selection of the same source, so that selections of selections do not pile up."""
        return SelectedImages(self.source, self.rows[rows])


class JoinedImages(ImageSource):
    """The images of several sources, one source after the other."""

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        self.sources = sources
        self._ends = list(accumulate(map(len, sources)))
        self.max_megapixels, self.remedy = sources[0].max_megapixels, sources[0].remedy

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, index: int) -> StoredImage:
        """The image as the source that holds it has it stored. Raises `DataError` as that source does."""
        source, position = self._locate(index)
        return source.read(position)

    def name(self, index: int) -> str:
        """What the source that holds the image calls it; unique within that source only."""
        source, position = self._locate(index)
        return source.name(position)

    def where(self, index: int) -> str:
        """Where the source that holds the image says that a person finds it."""
        source, position = self._locate(index)
        return source.where(position)

    @property
    def advice_at_random(self) -> str | None:
        """What the first source that is slow at random says of it; None where all are quick."""
        return next(filter(None, (one.advice_at_random for one in self.sources)), None)

    def _locate(self, index: int) -> tuple[ImageSource, int]:
        number, position = locate(self._ends, index)
        return self.sources[number], position


@dataclass(frozen=True)
class LabeledImages:
    """Images and their labels: `labels[i]` is the class index of image i of `source` (int64)."""

    source: ImageSource
    labels: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64] | None = None
    """`split.key_of` of what is never parted by a split: of the image's group, such as its author, where the input
    knows it, else of its name. None where the input does not have them at hand."""
    raw_labels: npt.NDArray[np.int64] | None = None
    """Class index by raw label, where `labels` are a teacher's; None where `labels` are the raw ones."""
    weights: npt.NDArray[np.float32] | None = None
    """What each raw label counts in training; None where all count the same."""

    def __len__(self) -> int:
        return len(self.labels)

    def relabeled(self, labels: npt.NDArray[np.int64]) -> LabeledImages:
        """The same images to be trained on under a teacher's `labels`, which are never taken for raw ones.

        What the raw labels count says nothing of these.
        """
        raw = self.labels if self.raw_labels is None else self.raw_labels
        return replace(self, labels=labels, raw_labels=raw, weights=None)

    @classmethod
    def nothing(cls) -> LabeledImages:
        """A set without any image or label, for a holdout or probe that was not asked for."""
        return cls(ImageFiles(()), np.zeros(0, dtype=np.int64))

    def names(self) -> list[str]:
        """The name of each image, in order, as its source calls it and predictions name it."""
        return [self.source.name(index) for index in range(len(self))]

    def select(self, rows: npt.NDArray[np.int64]) -> LabeledImages:
        """The images at `rows` with their labels, in that order."""
        keys = None if self.keys is None else self.keys[rows]
        raw = None if self.raw_labels is None else self.raw_labels[rows]
        weights = None if self.weights is None else self.weights[rows]
        return LabeledImages(self.source.select(rows), self.labels[rows], keys, raw, weights)

    def keys_or_names(self) -> npt.NDArray[np.uint64]:
        """The keys; without any, those of the names."""
        if self.keys is not None:
            return self.keys
        return np.array([key_of(name) for name in self.names()], dtype=np.uint64)

    def join(self, other: LabeledImages) -> LabeledImages:
        """These images, then those of `other`.

        Keys are left out unless both sets have them; raw labels and weights of a set that has none are its labels
        and ones.
        """
        keys = None
        if self.keys is not None and other.keys is not None:
            keys = np.concatenate([self.keys, other.keys])
        raw, parts = None, (self, other)
        if any(one.raw_labels is not None for one in parts):
            raw = np.concatenate([one.labels if one.raw_labels is None else one.raw_labels for one in parts])
        weights = None
        if any(one.weights is not None for one in parts):
            ones = (np.ones(len(one), dtype=np.float32) if one.weights is None else one.weights for one in parts)
            weights = np.concatenate([*ones])
        source = JoinedImages((self.source, other.source))
        return LabeledImages(source, np.concatenate([self.labels, other.labels]), keys, raw, weights)
