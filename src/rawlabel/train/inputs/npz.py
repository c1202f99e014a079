"""NumPy archives of small images, as the published CIFAR scripts read them."""

from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError
from rawlabel.train.image_source import ImageArray, LabeledImages
from rawlabel.train.inputs import Input, InputRequest, InputSet
from rawlabel.train.inputs._labels import classes_of

_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a ZIP member's header: 26 bytes, then the lengths of its name and of its extra field (PKWARE APPNOTE 4.3.7)."""


class Npz(Input):
    """A NumPy archive, `.npz`, with `X_train`, `y_train`, `X_test` and `y_test`: uint8 pixels and labels.

    Pixels are [images, height, width, 3], [images, 3, height, width] or gray; labels are numbers, names or one-hot
    rows. Archives that are not compressed (`numpy.savez`) are mapped, not loaded.
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is one."""
        return path.suffix.lower() == ".npz" and path.is_file()

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Read the labels, and map or read the pixels."""
        try:
            with zipfile.ZipFile(path) as archive:
                members = {info.filename.removesuffix(".npy").lower(): info for info in archive.infolist()}
                names = [f"{kind}_{request.part}" for kind in "xy"]
                for name in names:
                    if name not in members:
                        raise DataError(
                            f"{path}: holds no {name.capitalize() if name[0] == 'x' else name}; it holds "
                            f"{', '.join(sorted(info.filename.removesuffix('.npy') for info in members.values()))}"
                        )
                arrays = [_array(path, archive, members[name]) for name in names]
                digest = hashlib.sha256(repr([(name, members[name].CRC) for name in names]).encode())
        except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
            raise DataError(
                f"{path}: is not a whole NumPy archive ({error}); copy or download it again"
            ) from error
        pixels, labels = _pixels(arrays[0], f"{path}: X_{request.part}"), arrays[1]
        place = f"{path}: y_{request.part}"
        if labels.ndim == 2 and labels.shape[1] > 1:
            labels = _from_one_hot(labels, place)
        labels = labels.reshape(-1)
        if len(labels) != len(pixels):
            raise DataError(f"{path}: has {len(pixels)} images, but {len(labels)} labels; write it again")
        class_ids, indices = classes_of(labels, None, place)
        return InputSet(class_ids, LabeledImages(ImageArray(pixels, str(path)), indices), digest.hexdigest())


def _array(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """One member, mapped where it is not compressed. Raises `ValueError` for one that is no array."""
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0
        }.get(version)  # fmt: skip
        if read_header is None:
            raise ValueError(f"{info.filename} is of an unknown version")
        shape, is_fortran, dtype = read_header(stream)
        if dtype.hasobject:
            raise DataError(
                f"{path}: {info.filename} holds pickled objects, which could run code; save plain arrays"
            )
        start = stream.tell()
        order: Literal["F", "C"] = "F" if is_fortran else "C"
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if info.file_size - start < size:
            raise ValueError(f"{info.filename} is cut off")
        if info.compress_type != zipfile.ZIP_STORED:
            inflated: npt.NDArray[Any] = np.frombuffer(stream.read(size), dtype=dtype)
            return inflated.reshape(shape, order=order)
    with path.open("rb") as file:
        file.seek(info.header_offset)
        name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    offset = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length + start
    if not size:
        return np.empty(shape, dtype)
    mapped: npt.NDArray[Any] = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape, order=order)
    return mapped


def _pixels(array: npt.NDArray[Any], place: str) -> npt.NDArray[np.uint8]:
    """`array` as [images, height, width, 3]; copies nothing."""
    if array.dtype != np.uint8:
        raise DataError(f"{place} is {array.dtype}; save the pixels as uint8, 0 to 255")
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        raise DataError(f"{place} has shape {array.shape}; it should be [images, height, width, 3]")
    pixels: npt.NDArray[np.uint8] = np.broadcast_to(array, (*array.shape[:3], 3))
    return pixels


def _from_one_hot(rows: npt.NDArray[Any], place: str) -> npt.NDArray[np.int64]:
    if rows.dtype.kind not in "biuf" or not ((rows == 0) | (rows == 1)).all() or (rows.sum(axis=1) != 1).any():
        raise DataError(f"{place} has shape {rows.shape}, but its rows are not one-hot; give class numbers")
    labels: npt.NDArray[np.int64] = rows.argmax(axis=1)
    return labels


PLUGIN = Npz
