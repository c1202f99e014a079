"""The photos' bytes, stored under their own digest: one object a photo, however often it was found.

A project's photos lie in its folder `images`, unless the first `rawlabel collect` was told another place
(`--store`): any folder, or any address that fsspec knows (object stores, file servers). `store.json` in the
project names that place, and nothing else does: manifests say `images/ab/cd/<digest>.jpg` wherever that is, so
they are equal for equal photos, and a store that moves takes one edit. Credentials are read from the environment
by fsspec and its drivers, and are written nowhere.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Protocol

from rawlabel.artifacts.image_store.local import ImageStore, object_name
from rawlabel.artifacts.image_store.remote import RemoteStore, checked_address
from rawlabel.artifacts.project import images_path
from rawlabel.base.files import disk_errors, read_json, write_json
from rawlabel.errors import ConfigError, DataError

__all__ = [
    "ImageStore",
    "ProjectPhotos",
    "RemoteStore",
    "Store",
    "object_name",
    "open_store",
    "settle_store",
]

_STORE_FILE = "store.json"
_IN_PROJECT = "images/"


class Store(Protocol):
    """Where photos are put; one for a folder of this machine, one for everything that fsspec reaches."""

    def open_for_writing(self) -> None:
        """Make the store, and throw away what a killed process was writing. Raises `DiskError`."""

    def put(self, data: bytes) -> tuple[str, str]:
        """Store bytes unless they are there already; return their SHA-256 (hex) and media type.

        Whoever reads meets a whole object or none. Raises `DiskError`.
        """

    def read(self, name: str) -> bytes:
        """The bytes of an object by its name (`object_name`). Raises `DataError` when it is not there."""


class ProjectPhotos:
    """A project's photos by the names that its manifests give them (column `path`)."""

    def __init__(self, project: Path) -> None:
        """Raises `ConfigError` when the store needs a driver that is not installed."""
        self.project = project
        self.address = _settled(project)
        self.store = open_store(self.address or images_path(project))

    @property
    def place(self) -> str:
        """Where the photos are, as messages name it: the store's address, or the project's folder `images`."""
        return self.address or str(images_path(self.project))

    @property
    def is_remote(self) -> bool:
        """Whether the photos are no files of this machine."""
        return isinstance(self.store, RemoteStore)

    @property
    def files(self) -> ImageStore:
        """The store as files of this machine. Raises `DataError` when it is a remote one."""
        if not isinstance(self.store, ImageStore):
            raise DataError(
                f"{self.address}: holds the photos, and only files of this machine can be checked; bring them to "
                f"a folder and name it in {self.project / _STORE_FILE}"
            )
        return self.store

    def delete(self, name: str) -> bool:
        """Delete a photo; return whether it was there. Raises `DataError` or `DiskError` when that is refused."""
        if isinstance(self.store, RemoteStore):
            self._check(name)
            return self.store.delete(name.removeprefix(_IN_PROJECT))
        path = self.path(name)
        with disk_errors(path):
            is_there = path.exists()
            path.unlink(missing_ok=True)
        return is_there

    def name(self, sha256: str, media_type: str) -> str:
        """The name that manifests give to an object: its place below the project."""
        return _IN_PROJECT + object_name(sha256, media_type)

    def path(self, name: str) -> Path:
        """The file of a photo. Raises `DataError` when it lies in a remote store, or outside of the project's."""
        self._check(name)
        if not isinstance(self.store, ImageStore):
            raise DataError(
                f"{self.address}: holds the photos, which must be files of this machine for this; write them out "
                f"with `rawlabel export {self.project}` and name that folder instead (--main candidate)"
            )
        if self.address is not None and name.startswith(_IN_PROJECT):
            return self.store.folder / name.removeprefix(_IN_PROJECT)
        return self.project / name

    def read(self, name: str) -> bytes:
        """The bytes of a photo. Raises `DataError` when it has vanished or cannot be read."""
        if isinstance(self.store, RemoteStore) and name.startswith(_IN_PROJECT):
            self._check(name)
            return self.store.read(name.removeprefix(_IN_PROJECT))
        path = self.path(name)
        return ImageStore(path.parent).read(path.name)

    def _check(self, name: str) -> None:
        if PurePosixPath(name).is_absolute() or ".." in name.split("/"):
            raise DataError(f"{self.project}: its manifest names a file outside; run `rawlabel curate` again")


def open_store(place: str | Path) -> Store:
    """The store at a folder or an fsspec address. Raises `ConfigError` when its driver is not installed."""
    folder = _folder(place)
    return RemoteStore(str(place)) if folder is None else ImageStore(folder)


def settle_store(project: Path, wanted: str | None) -> Store:
    """The project's store for collecting: where its first run put it, which is noted then.

    Raises `ConfigError` when another place is asked for than the one that holds its photos, and `DiskError` when
    it cannot be written.
    """
    settled = _settled(project)
    if wanted is not None:
        place = _folder(wanted)
        address = checked_address(wanted) if place is None else str(place.absolute())
        is_default = address == str(images_path(project).absolute())
        if settled is None and images_path(project).exists() and not is_default:
            raise ConfigError(
                f"--store {address}: {project} keeps its photos in {images_path(project)} already; leave --store "
                "out, or choose another --project"
            )
        if settled not in (None, address):
            raise ConfigError(
                f"--store {address}: {project} keeps its photos in {settled} already; leave --store out, or "
                "choose another --project"
            )
        if settled is None and not is_default:
            # A place that cannot be used must not be noted, or it could not be corrected.
            open_store(address).open_for_writing()
            write_json(project / _STORE_FILE, {"store": address})
            settled = address
    return open_store(settled or images_path(project))


def _settled(project: Path) -> str | None:
    """Address of the project's store; None for the folder of its own."""
    path = project / _STORE_FILE
    if not path.is_file():
        return None
    found = read_json(path, "the place of the project's photos")
    address = found.get("store") if isinstance(found, dict) else None
    if not isinstance(address, str) or not address:
        raise DataError(f'{path}: names no place of the photos; write {{"store": "ADDRESS"}} or remove it')
    return address


def _folder(place: str | Path) -> Path | None:
    """The folder that a place means; None for an address on other machines."""
    if isinstance(place, Path) or "://" not in place:
        return Path(place)
    scheme, _, rest = place.partition("://")
    return Path(rest) if scheme in ("file", "local") else None
