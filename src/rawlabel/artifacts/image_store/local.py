"""An image store in a folder of this machine."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import stat
import uuid
from contextlib import suppress
from pathlib import Path

from rawlabel.base.files import disk_errors
from rawlabel.base.image_files import EXTENSION_OF_MEDIA_TYPE, sniff_media_type
from rawlabel.errors import DataError, DiskError


class ImageStore:
    """A folder `ab/cd/<sha256><extension>`; names come from content, never from an address or a title."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._scratch = folder / "unfinished"
        # Processes of several machines may write to one folder, and their process ids may be equal.
        self._writer, self._numbers = uuid.uuid4().hex, itertools.count()

    def open_for_writing(self) -> None:
        """Make the store, and throw away what a killed process was writing."""
        with disk_errors(self.folder):
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch.mkdir(parents=True)

    def put(self, data: bytes) -> tuple[str, str]:
        """Store bytes unless they are there already; return their SHA-256 (hex) and media type.

        The bytes are on the disk before the file takes its name. Waiting for the disk takes most of the time, so
        callers with many photos call from several threads (sixteen write about five times as many files a second
        as one). `open_for_writing` comes first.

        Raises `DiskError` when the disk refuses, or when something else lies where the photo belongs.
        """
        digest = hashlib.sha256(data).hexdigest()
        media_type = sniff_media_type(data)
        path = self.path(digest, media_type)
        with disk_errors(path):
            if not self._is_stored(path, len(data)):
                self._write(path, data)
        return digest, media_type

    def _is_stored(self, path: Path, size: int) -> bool:
        """Whether the object is there in full; a power cut can leave a name with fewer bytes."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            found = None
        for folder in (path.parent, path.parent.parent):
            if folder.is_symlink():
                raise DiskError(f"{folder}: is a link, which the image store does not follow; remove it")
        return found is not None and stat.S_ISREG(found.st_mode) and found.st_size == size

    def _write(self, path: Path, data: bytes) -> None:
        unfinished = self._scratch / f"{path.name}.{self._writer}.{next(self._numbers)}.part"
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                stream.write(data)
                os.fsync(stream.fileno())
            # Renaming replaces a link that lies there, and does not follow it.
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def read(self, name: str) -> bytes:
        """The bytes of an object by its name (`object_name`). Raises `DataError` when it is not there."""
        path = self.folder / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(
                f"{path}: the photo cannot be read ({error.strerror}); run `rawlabel collect` again"
            ) from error

    def path(self, sha256: str, media_type: str) -> Path:
        """Where an object with this digest and media type lies."""
        return self.folder / object_name(sha256, media_type)


def object_name(sha256: str, media_type: str) -> str:
    """An object's place in its store, by the digest of its bytes and their media type."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}{EXTENSION_OF_MEDIA_TYPE.get(media_type, '.bin')}"
