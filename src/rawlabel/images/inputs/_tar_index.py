"""Where each sample of tar shards lies: read once from their headers, and kept beside them if that is allowed."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.base.files import atomic_write
from rawlabel.base.image_files import IMAGE_EXTENSIONS
from rawlabel.base.image_header import HEIF_EXTENSIONS
from rawlabel.base.tar_files import refuse_cut
from rawlabel.errors import DataError, DiskError
from rawlabel.images.image_source import ImageSource, StoredImage

_IMAGES = frozenset(one.removeprefix(".") for one in IMAGE_EXTENSIONS | HEIF_EXTENSIONS)
INDEX = ".rawlabel-index.npz"
_LARGEST_LABEL = 1 << 20
"""A class, a caption or a sample's JSON is smaller than this [bytes]."""


@dataclass(frozen=True)
class TarIndex:
    """The samples of some shards, in their order; equal lengths."""

    shards: npt.NDArray[np.int64]
    """Index into the list of shards."""
    offsets: npt.NDArray[np.int64]
    """Where the image begins in its shard [bytes]."""
    sizes: npt.NDArray[np.int64]
    """How long it is [bytes]."""
    names: npt.NDArray[np.str_]
    """The image's member name. It is never used as a path."""
    labels: npt.NDArray[np.str_]
    """The text of the sample's label."""


def read_index(folder: Path, shards: Sequence[Path], label: str | None, label_flag: str) -> TarIndex:
    """The index of `shards`, from the file beside them if it is of these very files, else from their headers.

    `label` is the ending of the members that hold the class, or a key of the samples' JSON; without, it is `cls`.
    `label_flag` is the flag that says so, for messages.
    Raises `DataError`.
    """
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in shards]
    key, place = json.dumps([1, label, stats]), folder / INDEX
    known = _kept(place, key)
    if known is not None:
        return known
    rows = [row for number, path in enumerate(shards) for row in _samples(path, number, label, label_flag)]
    if not rows:
        raise DataError(f"{folder}: its shards hold no images; write or download them again")
    shard, offset, size, names, labels = zip(*rows, strict=True)
    index = TarIndex(
        np.array(shard, np.int64), np.array(offset, np.int64), np.array(size, np.int64), np.array(names),
        np.array(labels),
    )  # fmt: skip
    with suppress(DiskError, OSError), atomic_write(place) as stream:
        # Only saves time: where the folder cannot be written, the headers are read each time.
        np.savez(stream, key=np.array(key), **{one.name: getattr(index, one.name) for one in fields(index)})
    return index


class TarImages(ImageSource):
    """Images inside tar files, read at their places."""

    def __init__(self, shards: Sequence[Path], index: TarIndex) -> None:
        self._shards, self._index = shards, index
        self._is_unique = len(np.unique(index.names)) == len(index.names)

    def __len__(self) -> int:
        return len(self._index.names)

    def read(self, index: int) -> StoredImage:
        """The bytes [n] of the member, read from its shard without unpacking.

        Raises `DataError` for a shard that is gone or cut off.
        """
        path = self._shards[int(self._index.shards[index])]
        size = int(self._index.sizes[index])
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                data = os.pread(descriptor, size, int(self._index.offsets[index]))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); put the shard back") from error
        if len(data) != size:
            raise DataError(f"{self.where(index)}: the shard is cut off; download it again")
        return np.frombuffer(data, dtype=np.uint8)

    def name(self, index: int) -> str:
        """What the image is called: its member name, with its shard's where shards use a name twice."""
        name = str(self._index.names[index])
        return name if self._is_unique else f"{self._shards[int(self._index.shards[index])].name}/{name}"

    def where(self, index: int) -> str:
        """The path of the shard and the member's name, for messages."""
        return f"{self._shards[int(self._index.shards[index])]}: '{self._index.names[index]}'"


def _kept(place: Path, key: str) -> TarIndex | None:
    """The index that lies at `place`, if it is whole and was made under `key`."""
    try:
        # Opened here, since numpy leaves a damaged archive open.
        with place.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            if str(kept["key"]) != key:
                return None
            return TarIndex(**{one.name: kept[one.name] for one in fields(TarIndex)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


Row = tuple[int, int, int, str, str]


def _samples(path: Path, number: int, label: str | None, label_flag: str) -> Iterator[Row]:
    """Each sample of a shard: members that follow each other and are called alike up to the first dot."""
    without_image = without_label = 0
    seen: set[str] = set()
    dotted = ""
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            for key, members in _grouped(path, size, tar):
                images = [one for ending, one in members.items() if ending in _IMAGES]
                text = _label(tar, members, label, path)
                for ending, one in members.items():
                    if ending not in _IMAGES and ending.rpartition(".")[2] in _IMAGES:
                        dotted = dotted or _about_dots(one.name, ending)
                if len(images) > 1:
                    raise DataError(f"{path}: sample '{key}' holds {len(images)} images; keep one{dotted}")
                if key in seen:
                    raise DataError(f"{path}: two samples are called '{key}'; rename one{dotted}")
                seen.add(key)
                without_image += not images
                without_label += text is None
                if images and text is not None:
                    yield number, images[0].offset_data, images[0].size, images[0].name, text
            with path.open("rb") as stream:
                refuse_cut(tar, stream)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path}: is not a whole tar file ({error}); write or download it again") from error
    if without_image or without_label:
        raise DataError(
            f"{path}: of {len(seen)} samples, {without_image} have no image and {without_label} have no label "
            f"({label or 'cls'}); leave those out, or name the labels' ending or JSON key by {label_flag}{dotted}"
        )


def _about_dots(name: str, ending: str) -> str:
    """What most likely went wrong where an image's ending holds a dot."""
    return (
        f". It is the dots: WebDataset calls a sample by what stands before the first one, so '{name}' ends in "
        f"'.{ending}', which is no image; replace the dots in the names, and write the shards again"
    )


def _grouped(path: Path, size: int, tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    key, members = "", dict[str, tarfile.TarInfo]()
    for member in tar:
        folder, _, base = member.name.rpartition("/")
        stem, _, ending = base.partition(".")
        if not member.isreg() or member.issparse() or not stem or not ending:
            continue
        if member.offset_data + member.size > size:
            raise DataError(f"{path}: is cut off in '{member.name}'; write or download it again")
        own = f"{folder}/{stem}" if folder else stem
        if own != key and members:
            yield key, members
            members = {}
        key = own
        members[ending.lower()] = member
    if members:
        yield key, members


def _label(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], label: str | None, path: Path) -> str | None:
    """The text of the sample's label; None where it has none."""
    ending = label or "cls"
    if ending in members:
        return _text(tar, members[ending]).strip() or None
    if label is None or "json" not in members:
        return None
    try:
        about = json.loads(_text(tar, members["json"]))
    except ValueError as error:
        raise DataError(f"{path}: '{members['json'].name}' is not valid JSON; write the shard again") from error
    value = about.get(label) if isinstance(about, dict) else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    stream = tar.extractfile(member)
    return stream.read(_LARGEST_LABEL).decode("utf-8", "replace") if stream else ""
