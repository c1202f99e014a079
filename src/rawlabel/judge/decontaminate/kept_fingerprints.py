"""Fingerprints of a set of images, kept by the content of each, so that an image is decoded once for all passes.

They lie in one SQLite file, which may be deleted. Each batch is one transaction, so that a stopped pass goes on.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import (
    THUMBNAIL_SIDE,
    VERSION,
    Fingerprint,
    Pixels,
    fingerprint,
    pixel_digest,
    thumbnail,
)
from rawlabel.base import processes
from rawlabel.base.image_header import NotDecodable
from rawlabel.base.progress import note, progress
from rawlabel.base.ray_cluster import Cluster
from rawlabel.errors import DataError
from rawlabel.images.decoding import decode_image
from rawlabel.images.image_source import ImageSource, StoredImage
from rawlabel.judge.decontaminate.probes import Probe, is_small, probe_hashes

FILE = "fingerprints.sqlite"
_PROBES = 2
"""Version of how the parts of a picture are cut and shrunk, beside that of the hash."""
_CHUNK = 256
"""Images of a transaction."""
_TASK = 32
"""Images of a task of a cluster."""
_ROW = np.dtype(
    [
        ("pixels", "u1", 32), ("hash", "u1", 32), ("mirrored", "u1", 32), ("trimmed", "u1", 32),
        ("has_trimmed", "?"), ("is_telling", "?"), ("size", "<i4", 2),
        ("thumbnail", "u1", (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)),
    ]
)  # fmt: skip
_IN_MEMORY = 100_000
"""Images whose thumbnails (3 kB each) are kept in memory; those of more lie in a passing file."""


class Fingerprints:
    """Those of the images of a set, by position."""

    def __init__(self, rows: npt.NDArray[np.void], known: npt.NDArray[np.bool_]) -> None:
        """Of images that cannot be read, `known` is False and the row says nothing."""
        self.rows, self.known = rows, known

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: npt.NDArray[np.int64]) -> Fingerprints:
        """Those of the images at positions `rows`, in that order; of many, copied part by part."""
        chosen = empty_rows(len(rows))
        for start in range(0, len(rows), _IN_MEMORY):
            part = slice(start, start + _IN_MEMORY)
            chosen[part] = self.rows[rows[part]]
        return Fingerprints(chosen, self.known[rows])

    def pixel_digests(self) -> list[bytes | None]:
        """Digest of the pixels of each image; None of one that could not be read."""
        found = self.rows["pixels"]
        return [found[row].tobytes() if is_known else None for row, is_known in enumerate(self.known.tolist())]

    def small(self) -> npt.NDArray[np.bool_]:
        """Which images are compared by their pixels."""
        return np.array([is_small(*size) for size in self.rows["size"].tolist()], dtype=np.bool_) & self.known

    def large(self) -> npt.NDArray[np.bool_]:
        """Which are compared by their hashes; what is too flat for that is compared for equal pixels alone."""
        telling: npt.NDArray[np.bool_] = self.known & self.rows["is_telling"] & ~self.small()
        return telling


def row_of(one: Fingerprint) -> npt.NDArray[np.void]:
    """A fingerprint as a row of `Fingerprints`."""
    row = np.zeros(1, dtype=_ROW)
    for name in ("pixels", "hash", "mirrored"):
        row[name] = np.frombuffer(getattr(one, name), dtype=np.uint8)
    if one.trimmed is not None:
        row["trimmed"], row["has_trimmed"] = np.frombuffer(one.trimmed, dtype=np.uint8), True
    row["is_telling"], row["size"], row["thumbnail"] = one.is_telling, (one.width, one.height), one.thumbnail
    return row


def empty_rows(count: int) -> npt.NDArray[np.void]:
    """Rows to be filled; of many images, in a file."""
    if count <= _IN_MEMORY:
        return np.zeros(count, dtype=_ROW)
    with tempfile.TemporaryFile() as stream:
        return np.memmap(stream, dtype=_ROW, mode="w+", shape=count)


class KeptFingerprints:
    """A file of fingerprints by the content of images."""

    def __init__(self, connection: sqlite3.Connection, cluster: Cluster | None = None) -> None:
        """With a `cluster`, its tasks make what is missing."""
        self._connection, self._cluster = connection, cluster

    @classmethod
    @contextmanager
    def open(cls, folder: Path | None, cluster: Cluster | None = None) -> Iterator[KeptFingerprints]:
        """Open the file in `folder`, and make it; without a folder, or where nothing can be written, keep none."""
        with closing(_connect(folder)) as connection:
            yield cls(connection, cluster)

    def of(self, source: ImageSource, title: str, pause: Callable[[], None] = lambda: None) -> Fingerprints:
        """The fingerprints of all images of `source`, with progress under `title`.

        `pause` is called now and then, and may raise.
        """
        rows, known = empty_rows(len(source)), np.zeros(len(source), dtype=np.bool_)
        for start, values in self._values(source, f"fingerprint {VERSION}", _bytes_of_fingerprint, title, pause):
            for row, value in enumerate(values, start):
                if value is not None:
                    rows[row], known[row] = np.frombuffer(value, dtype=_ROW)[0], True
        return Fingerprints(rows, known)

    def probes(
        self,
        source: ImageSource,
        probes: Sequence[Probe],
        title: str,
        pause: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8], npt.NDArray[np.bool_]]]:
        """Of some images at a time: position of the first, hashes [images, probes, 32], which there are."""
        names = hashlib.sha256("".join(one.name for one in probes).encode()).hexdigest()[:16]

        make = partial(_bytes_of_probes, probes)
        for start, values in self._values(source, f"probes {VERSION}.{_PROBES} {names}", make, title, pause):
            hashes = np.zeros((len(values), len(probes), 32), dtype=np.uint8)
            there = np.zeros((len(values), len(probes)), dtype=np.bool_)
            for row, value in enumerate(values):
                if value is not None:
                    there[row] = np.frombuffer(value[: len(probes)], dtype=np.bool_)
                    hashes[row] = np.frombuffer(value[len(probes) :], dtype=np.uint8).reshape(-1, 32)
            yield start, hashes, there

    def outcome(self, key: str) -> str | None:
        """What was noted under a key; None where nothing was."""
        digest = hashlib.sha256(key.encode()).digest()
        value = self._known("outcome", [digest]).get(digest)
        return None if value is None else value.decode()

    def note_outcome(self, key: str, text: str) -> None:
        """Note what a pass came to, so that the same pass need not be made twice."""
        self._keep("outcome", {hashlib.sha256(key.encode()).digest(): text.encode()})

    def _values(
        self,
        source: ImageSource,
        kind: str,
        make: Callable[[Pixels], bytes],
        title: str,
        pause: Callable[[], None],
    ) -> Iterator[tuple[int, list[bytes | None]]]:
        """What `make` says of each image, kept or made now; None of an image that cannot be read."""
        with ThreadPoolExecutor(processes.own_cores()) as pool, progress(title, len(source)) as task:
            for start in range(0, len(source), _CHUNK):
                pause()
                places = range(start, min(start + _CHUNK, len(source)))
                keys = list(pool.map(lambda place: _key(source, place), places))
                values = self._known(kind, keys)
                missing = [place for place, key in zip(places, keys, strict=True) if key and key not in values]
                made = self._made(source, missing, make, pool)
                new = {
                    key: value
                    for place, value in zip(missing, made, strict=True)
                    if value is not None and (key := keys[place - start]) is not None
                }
                self._keep(kind, new)
                values |= new
                yield start, [values.get(key) if key else None for key in keys]
                task.advance(len(places))

    def _made(
        self, source: ImageSource, places: Sequence[int], make: Callable[[Pixels], bytes], pool: ThreadPoolExecutor
    ) -> Iterator[bytes | None]:
        """What `make` says of the images at `places`; None of one that cannot be read or decoded."""
        if self._cluster is None:
            yield from pool.map(lambda place: _made(_stored(source, place), source.max_megapixels, make), places)
            return
        # Stored images go to the tasks, since their machines and working folders have other files.
        calls = (
            ([_stored(source, place) for place in places[start : start + _TASK]], source.max_megapixels, make)
            for start in range(0, len(places), _TASK)
        )
        for some in self._cluster.results(_all_made, calls):
            yield from some

    def _known(self, kind: str, keys: Sequence[bytes | None]) -> dict[bytes, bytes]:
        wanted = [key for key in keys if key is not None]
        marks = ", ".join("?" * len(wanted))
        found = self._connection.execute(
            f"SELECT key, value FROM kept WHERE kind = ? AND key IN ({marks})",
            (kind, *wanted),
        )
        return dict(found.fetchall())

    def _keep(self, kind: str, values: dict[bytes, bytes]) -> None:
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", [(kind, *one) for one in values.items()]
            )


def _connect(folder: Path | None) -> sqlite3.Connection:
    table = "CREATE TABLE IF NOT EXISTS kept (kind TEXT, key BLOB, value BLOB, PRIMARY KEY (kind, key))"
    path = folder / FILE if folder is not None else None
    if folder is not None and path is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=60)
            connection.execute(table + " WITHOUT ROWID")
            return connection
        except (OSError, sqlite3.Error) as error:
            note(f"{path}: cannot be used ({error}), so fingerprints are not kept for the next time")
    connection = sqlite3.connect("")  # in a file of its own, which goes with it
    connection.execute(table)
    return connection


def _key(source: ImageSource, place: int) -> bytes | None:
    """Digest of an image as it is stored; None where it cannot be read."""
    try:
        stored = source.read(place)
    except DataError:
        return None
    digest = hashlib.sha256(str(stored.shape).encode() if stored.ndim == 3 else b"file")
    digest.update(np.ascontiguousarray(stored).data)
    return digest.digest()


def _stored(source: ImageSource, place: int) -> StoredImage | None:
    try:
        return source.read(place)
    except DataError:
        return None


def _made(stored: StoredImage | None, max_megapixels: float, make: Callable[[Pixels], bytes]) -> bytes | None:
    try:
        return None if stored is None else make(decode_image(stored, None, max_megapixels))
    except (DataError, NotDecodable):
        return None


def _all_made(
    stored: Sequence[StoredImage | None], max_megapixels: float, make: Callable[[Pixels], bytes]
) -> list[bytes | None]:
    return [_made(one, max_megapixels, make) for one in stored]


def _bytes_of_probes(probes: Sequence[Probe], pixels: Pixels) -> bytes:
    hashes, there = probe_hashes(pixels, probes)
    return there.tobytes() + hashes.tobytes()


def _bytes_of_fingerprint(pixels: Pixels) -> bytes:
    height, width = pixels.shape[:2]
    if not is_small(width, height):
        return row_of(fingerprint(pixels)).tobytes()
    # Small pictures are compared by their pixels alone; to hash 60,000 of them would take half a minute.
    row = np.zeros(1, dtype=_ROW)
    row["pixels"] = np.frombuffer(pixel_digest(pixels), dtype=np.uint8)
    row["size"], row["thumbnail"] = (width, height), thumbnail(pixels)
    return row.tobytes()
