"""The archives of ILSVRC2012, read once from front to back; what is not asked for is passed over unread."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from rawlabel.base.image_files import is_image_name
from rawlabel.base.tar_files import refuse_cut
from rawlabel.errors import DataError
from rawlabel.gather.classes.reading import is_wordnet_id
from rawlabel.gather.prepare.found import Batch, Found, LeftOut, PartSource, Wanted

_LARGEST_PHOTO = 2**28
"""Bytes; the largest photo of ILSVRC2012 has less than a tenth of them, and a member is held in memory."""
_NAME = re.compile(r"\w[\w.-]{0,199}", re.ASCII)
_BLOCK = 512


class TrainArchive(PartSource):
    """ILSVRC2012_img_train.tar: an archive that holds one archive of photos for each class."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, f"{path} (an archive of the classes' archives)")

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """One batch a class, in the archive's order. Raises `DataError`."""
        seen: set[str] = set()
        for archive, member, name in _members(self.where):
            class_id = name.removesuffix(".tar")
            if not name.endswith(".tar") or not is_wordnet_id(class_id):
                yield Batch(name, iter([Found(name, left_out=LeftOut.NO_PHOTO)]))
            elif class_id in seen:
                raise DataError(f"{self.where}: holds {name} twice, which the official archive does not")
            elif wanted is not None and class_id not in wanted:
                self.skipped_classes += 1
            else:
                yield Batch(class_id, _class_photos(self.where, archive, member, class_id))
            seen.add(class_id)


class ValidationArchive(PartSource):
    """ILSVRC2012_img_val.tar: photos of all classes, whose labels are elsewhere."""

    def __init__(self, path: Path, labels: Mapping[str, str], labels_from: Path) -> None:
        self._labels = labels
        super().__init__(path, f"{path} (an archive), labels from {labels_from.name}", labels, 1)

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """All validation photos as a single batch, since they lie in one archive.

        Raises `DataError` while they are read.
        """
        yield Batch("all", self._photos(wanted))

    def _photos(self, wanted: Wanted) -> Iterator[Found]:
        for archive, member, name in _members(self.where):
            read = partial(_read, str(self.where), archive, member)
            yield labeled_photo(name, self._labels, wanted, Found(name, read=read))


def labeled_photo(name: str, labels: Mapping[str, str], wanted: Wanted, found: Found) -> Found:
    """`found` with its class by the labels, or left out."""
    class_id = labels.get(name.rpartition(".")[0])
    if not is_image_name(name):
        return Found(name, left_out=LeftOut.NO_PHOTO)
    if class_id is None:
        return Found(name, left_out=LeftOut.NO_LABEL)
    if wanted is not None and class_id not in wanted:
        return Found(name, left_out=LeftOut.OTHER_CLASS)
    return Found(name, class_id, read=found.read, path=found.path)


def _class_photos(path: Path, outer: tarfile.TarFile, member: tarfile.TarInfo, class_id: str) -> Iterator[Found]:
    where = f"{path}: {member.name}"
    with _reading(where):
        stream = outer.extractfile(member)
        assert stream is not None
        for archive, photo, name in _walk(where, path, stream):
            if not _NAME.fullmatch(name) or not is_image_name(name):
                yield Found(name, left_out=LeftOut.NO_PHOTO)
            else:
                yield Found(name, class_id, read=partial(_read, where, archive, photo))


def _members(path: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, str]]:
    with _reading(str(path)), path.open("rb") as stream:
        yield from _walk(str(path), path, stream)


def _walk(where: str, path: Path, stream: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo, str]]:
    """The files of an archive, each with its name without folders.

    Nothing is ever unpacked to where a member says; one that would be unpacked outside, or is no plain file,
    shows that the archive is not the official one.
    """
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            try:
                tarfile.data_filter(member, str(path.parent.resolve()))
            except tarfile.FilterError as error:
                raise DataError(f"{where}: {_not_official(member, 'leads outside of its folder')}") from error
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise DataError(f"{where}: {_not_official(member, 'is no plain file')}")
            yield archive, member, member.name.rpartition("/")[2]
        refuse_cut(archive, stream)


def _read(where: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _LARGEST_PHOTO:
        raise DataError(f"{where}: {_not_official(member, 'is too large for a photo')}")
    with _reading(where):
        stream = archive.extractfile(member)
        assert stream is not None
        return stream.read()


def _not_official(member: tarfile.TarInfo, what: str) -> str:
    return f"{member.name!r} {what}, as in no official archive; download it from the official site"


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{where}: is cut off or damaged ({error}); download it again") from error
