"""An image store behind any address that fsspec knows: object stores, file servers."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from rawlabel.artifacts.image_store.local import object_name
from rawlabel.base.image_files import sniff_media_type
from rawlabel.errors import ConfigError, DataError, DiskError, RawlabelError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Result = TypeVar("Result")
ATTEMPTS, FIRST_BACK_OFF = 3, 0.3
"""Tries of one operation, and the pause before the second [seconds], which grows fourfold.

Drivers of object stores try again by themselves; those of file servers do not, and lose idle connections."""
_EXTRAS = {"s3": "rawlabel[s3]", "s3a": "rawlabel[s3]"}


class RemoteStore:
    """Objects `ab/cd/<sha256><extension>` below an address such as `s3://bucket/photos`.

    May be used by many threads and processes at once, and may be pickled: it holds the address alone.
    """

    def __init__(self, address: str) -> None:
        """Raises `ConfigError` when fsspec lacks what the address needs."""
        from fsspec import get_filesystem_class

        self.address = checked_address(address)
        scheme = self.address.partition("://")[0]
        try:
            get_filesystem_class(scheme)
        except ImportError as error:
            remedy = f"run `pip install '{_EXTRAS[scheme]}'`" if scheme in _EXTRAS else _in_words(error)
            raise ConfigError(f"--store {self.address}: needs another package; {remedy}") from error

    def open_for_writing(self) -> None:
        """Try to write, and throw away what a killed process was writing.

        Raises `DiskError` when the store refuses: better before a search has cost anything than after it.
        """

        def probe(files: AbstractFileSystem, root: str) -> None:
            if _can_rename(files):
                _make_folder(files, f"{root}/unfinished")
            files.pipe_file(f"{root}/unfinished/{uuid.uuid4().hex}.part", b"may be removed")
            files.invalidate_cache()
            files.rm(f"{root}/unfinished", recursive=True)

        self._try(probe, f"{self.address}: cannot be written", DiskError)

    def put(self, data: bytes) -> tuple[str, str]:
        """Store bytes unless they are there already; return their SHA-256 (hex) and media type.

        Raises `DiskError` when the store refuses.
        """
        digest, media_type = hashlib.sha256(data).hexdigest(), sniff_media_type(data)
        name = object_name(digest, media_type)
        self._try(
            lambda files, root: _write(files, root, name, data), f"{self.address}: cannot be written", DiskError
        )
        return digest, media_type

    def read(self, name: str) -> bytes:
        """The bytes of an object by its name. Raises `DataError` when it is not there or cannot be had."""

        def fetch(files: AbstractFileSystem, root: str) -> bytes:
            try:
                return bytes(files.cat_file(f"{root}/{name}"))
            except FileNotFoundError as error:
                raise DataError(
                    f"{self.address}/{name}: the photo cannot be read (no such object); run `rawlabel "
                    "collect` again"
                ) from error

        return self._try(fetch, f"{self.address}: cannot be read", DataError)

    def delete(self, name: str) -> bool:
        """Delete an object by its name; return whether it was there. Raises `DiskError` when the store refuses."""

        def remove(files: AbstractFileSystem, root: str) -> bool:
            path = f"{root}/{name}"
            if not files.exists(path):
                return False
            files.rm_file(path)
            return True

        return self._try(remove, f"{self.address}: cannot be written", DiskError)

    def _try(
        self, action: Callable[[AbstractFileSystem, str], Result], trouble: str, kind: type[RawlabelError]
    ) -> Result:
        """Do it, and again after a fault, since each action may be repeated without harm."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return action(*self._file_system(is_fresh=attempt > 1))
            except RawlabelError:
                raise
            except Exception as error:
                # Each driver has errors of its own, of which many derive from nothing more special.
                if attempt >= ATTEMPTS:
                    raise kind(
                        f"{trouble} ({_in_words(error)}); check the address and the credentials in the environment"
                    ) from error
            time.sleep(FIRST_BACK_OFF * 4 ** (attempt - 1))

    def _file_system(self, *, is_fresh: bool = False) -> tuple[AbstractFileSystem, str]:
        """fsspec's driver and the path in it; each thread has its own connection, which fsspec remembers."""
        import fsspec

        options: dict[str, Any] = {"skip_instance_cache": True} if is_fresh else {}
        files, root = fsspec.url_to_fs(self.address, **options)
        # Others write at the same time; a listing that is remembered would hide it.
        files.invalidate_cache()
        return files, root.rstrip("/")


def checked_address(address: str) -> str:
    """The address without a slash at its end.

    Raises `ConfigError` when fsspec does not know it, or when it holds credentials: it is written to files.
    """
    from fsspec.registry import known_implementations, registry

    scheme, _, rest = address.partition("://")
    if not rest.strip("/") or (scheme not in known_implementations and scheme not in registry):
        raise ConfigError(
            f"--store {scheme}://...: fsspec knows no such address; write a folder, or for example "
            "s3://bucket/photos, gs://bucket/photos or sftp://host/photos"
        )
    if "@" in rest.partition("/")[0] or "?" in rest:
        raise ConfigError(
            f"--store {scheme}://...: holds credentials or settings, and would be written to files; give them in "
            f"the environment (the driver's own variables, or FSSPEC_{scheme.upper()}_USERNAME and the like)"
        )
    return address.rstrip("/")


def _write(files: AbstractFileSystem, root: str, name: str, data: bytes) -> None:
    path = f"{root}/{name}"
    if files.exists(path):
        return
    if not _can_rename(files):
        files.pipe_file(path, data)
        return
    unfinished = f"{root}/unfinished/{uuid.uuid4().hex}.part"
    for folder in (unfinished.rpartition("/")[0], path.rpartition("/")[0]):
        _make_folder(files, folder)
    try:
        files.pipe_file(unfinished, data)
        files.mv(unfinished, path)
    except BaseException:
        with suppress(OSError):
            files.rm_file(unfinished)
        # Another process may have been faster, and some servers do not rename onto what is there.
        if files.exists(path):
            return
        raise


def _can_rename(files: AbstractFileSystem) -> bool:
    """Whether this is a file system; otherwise an object store, where an upload appears whole or not at all."""
    from fsspec import AbstractFileSystem

    return type(files).mv is not AbstractFileSystem.mv


def _make_folder(files: AbstractFileSystem, folder: str) -> None:
    # Asked first, since another process may make it meanwhile and not every driver forgives that.
    if not files.isdir(folder):
        try:
            files.makedirs(folder, exist_ok=True)
        except Exception:
            if not files.isdir(folder):
                raise


def _in_words(error: Exception) -> str:
    """The error on one line; without addresses, whose queries may hold a signature."""
    lines = str(error).strip().splitlines() or [""]
    words = re.sub(r"\S+://\S+", "...", lines[0])[:160]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
