"""A pack: images back to back in one file, and an index that is mapped into memory, not parsed.

::

    images.bin     the images, one after the other
    index.npy      one `INDEX` record an image
    names.txt      the images' names, one a line
    classes.json   class ids, in the order of the labels
    pack.json      settings, source, counts, what was left out and why; written last
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError
from rawlabel.images.image_source import ImageSource, StoredImage

INDEX = np.dtype(
    [
        ("offset", "<u8"), ("nbytes", "<u4"), ("height", "<u4"), ("width", "<u4"), ("label", "<i4"),
        ("key", "<u8"), ("name_end", "<u8"), ("is_pixels", "u1"), ("split", "i1"),
    ]
)  # fmt: skip
"""Where an image lies in images.bin and its size [bytes]; its sides [pixels]; class index; its key in
splits (`LabeledImages.keys`); where its name ends in names.txt; whether it is pixels in RGB and not an image file;
and whether the source holds it out (1), does not (0) or says nothing (-1)."""


class PackedImages(ImageSource):
    """The images of a pack, mapped into memory."""

    remedy = "remove the folder and run `rawlabel pack` again"

    def __init__(self, folder: Path, index: npt.NDArray[np.void]) -> None:
        """Map the files of `folder`. Raises `DataError` when they are not as long as `index` says."""
        self._folder, self._index = folder, index
        self._bytes = _mapped(folder / "images.bin", index["offset"] + index["nbytes"])
        self._names = _mapped(folder / "names.txt", index["name_end"])

    def __len__(self) -> int:
        return len(self._index)

    def read(self, index: int) -> StoredImage:
        """The image as it is stored; a view into the file."""
        record = self._index[index]
        start = int(record["offset"])
        stored: StoredImage = self._bytes[start : start + int(record["nbytes"])]
        return stored.reshape(record["height"], record["width"], 3) if record["is_pixels"] else stored

    @cached_property
    def pixel_shape(self) -> tuple[int, int] | None:
        """Height and width, of a pack of raw pixels; found once, since all records have to agree."""
        index = self._index
        height, width = (int(index[side][0]) for side in ("height", "width"))
        is_one = (
            index["is_pixels"].all()
            and (index["height"] == height).all()
            and (index["width"] == width).all()
            and (index["offset"] == np.arange(len(index)) * (height * width * 3)).all()
        )
        return (height, width) if is_one else None

    def side_by_side(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The pixels [images, height, width, 3] at positions `rows`, of a pack of raw pixels of one size."""
        height, width = (int(self._index[side][0]) for side in ("height", "width"))
        whole = self._bytes[: len(self) * height * width * 3]
        pixels: npt.NDArray[np.uint8] = whole.reshape(len(self), height, width, 3)[rows]
        return pixels

    def name(self, index: int) -> str:
        """What the image was called where it was packed from, byte for byte."""
        start = int(self._index[index - 1]["name_end"]) if index else 0
        return (
            self._names[start : int(self._index[index]["name_end"]) - 1]
            .tobytes()
            .decode("utf-8", "surrogateescape")
        )

    def where(self, index: int) -> str:
        """The folder of the pack and the image's name, for messages."""
        return f"{self._folder}: {self.name(index)}"


def read_index(folder: Path, num_classes: int) -> npt.NDArray[np.void]:
    """Map index.npy of `folder`. Raises `DataError` when it is damaged."""
    path = folder / "index.npy"
    try:
        index = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path) from error
    if index.dtype != INDEX or index.ndim != 1 or not len(index):
        raise _damaged(path)
    plain: npt.NDArray[np.void] = np.asarray(index)
    labels, names = plain["label"], plain["name_end"]
    sizes = plain["height"].astype(np.uint64) * plain["width"] * 3
    if (
        labels.min() < 0
        or labels.max() >= num_classes
        or (np.diff(names, prepend=np.uint64(0)).astype(np.int64) < 1).any()
        or ((sizes != plain["nbytes"]) & (plain["is_pixels"] != 0)).any()
    ):
        raise _damaged(path)
    return plain


def _mapped(path: Path, ends: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    try:
        mapped = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if int(ends.max()) > len(mapped):
        raise _damaged(path)
    return mapped


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: is missing, cut off or damaged; remove the folder and run `rawlabel pack` again")
