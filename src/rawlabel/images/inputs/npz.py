"""A NumPy archive with `X_train`, `y_train`, `X_test` and `y_test`, as the published trainer has CIFAR."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError
from rawlabel.images.image_source import ImageArray, LabeledImages
from rawlabel.images.input import Input, InputRequest, InputSet

_CHANNELS = (1, 3)


class NpzInput(Input):
    """A `.npz` file with arrays X_train, y_train, X_test, y_test: images as uint8, labels as indices or names."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether `path` is a file whose name ends in .npz; what is in it is looked at when it is read."""
        return path.suffix == ".npz" and path.is_file()

    def read(self, path: Path, request: InputRequest) -> InputSet:
        """Read the arrays of the part that is asked for."""
        images = _as_pixels(_array(path, f"X_{request.part}"), f"{path}: X_{request.part}")
        # Both parts name the classes, so that a class without a test image keeps the others' indices.
        parts = {
            part: _labels_of(path, part) for part in ("train", "test") if part == request.part or _has(path, part)
        }
        classes = _classes_of(path, parts)
        labels = _as_indices(parts[request.part], classes)
        if len(images) != len(labels):
            raise DataError(f"{path}: holds {len(images)} images and {len(labels)} labels; write it again")
        digest = hashlib.sha256(labels.tobytes())
        digest.update(images.data)
        return InputSet(classes, LabeledImages(ImageArray(images, str(path)), labels), digest.hexdigest())


def _array(path: Path, name: str) -> npt.NDArray[np.generic]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            if name not in archive.files:
                known = ", ".join(archive.files) or "nothing"
                raise DataError(f"{path}: holds no array {name} (it holds {known}); save it with numpy.savez")
            array: npt.NDArray[np.generic] = archive[name]
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as NumPy arrays ({reason}); save it with numpy.savez") from error
    return array


def _as_pixels(array: npt.NDArray[np.generic], what: str) -> npt.NDArray[np.uint8]:
    """[images, height, width, 3] from this or from [images, channels, height, width]; grey is repeated."""
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.dtype != np.uint8:
        raise DataError(
            f"{what} is {array.dtype} of shape {list(array.shape)}; it should be uint8 [images, height, width, 3]"
        )
    if array.shape[3] not in _CHANNELS and array.shape[1] in _CHANNELS:
        array = array.transpose(0, 2, 3, 1)
    if array.shape[3] not in _CHANNELS:
        raise DataError(f"{what} has shape {list(array.shape)}; it should be [images, height, width, 3]")
    pixels: npt.NDArray[np.uint8] = np.asarray(np.broadcast_to(array, (*array.shape[:3], 3)), dtype=np.uint8)
    return np.ascontiguousarray(pixels)


def _labels_of(path: Path, part: str) -> npt.NDArray[np.generic]:
    """Names of classes as text, or class indices: as they are, a column of them, or one-hot rows."""
    array, what = _array(path, f"y_{part}"), f"{path}: y_{part}"
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 2 and ((array != 0).sum(axis=1) == 1).all():
        array = array.argmax(axis=1)
    if array.ndim == 1 and array.dtype.kind == "U" and (array != "").all():
        return array
    whole = np.asarray(array).astype(np.int64) if array.dtype.kind in "iuf" else np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or len(whole) != len(array) or (whole != array).any() or (whole < 0).any():
        raise DataError(
            f"{what} is {array.dtype} of shape {list(array.shape)}; "
            "it should be class indices from 0, or names of classes"
        )
    return whole


def _has(path: Path, part: str) -> bool:
    with np.load(path, allow_pickle=False) as archive:
        return f"y_{part}" in archive.files


def _classes_of(path: Path, parts: Mapping[str, npt.NDArray[np.generic]]) -> tuple[str, ...]:
    """Names in alphabetical order, or the numbers up to the largest index as text."""
    if len({labels.dtype.kind for labels in parts.values()}) > 1:
        raise DataError(f"{path}: y_train and y_test are not both names, or both indices; write it again")
    together = np.concatenate([*parts.values()])
    if together.dtype.kind == "U":
        return tuple(np.unique(together).tolist())
    return tuple(map(str, range(1 + int(together.max(initial=-1)))))


def _as_indices(labels: npt.NDArray[np.generic], classes: Sequence[str]) -> npt.NDArray[np.int64]:
    if labels.dtype.kind == "U":
        labels = np.searchsorted(np.array(classes), labels)
    return labels.astype(np.int64)


PLUGIN = NpzInput
