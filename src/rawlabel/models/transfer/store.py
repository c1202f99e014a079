"""Features kept on disk, by the content of their images: computed once for all runs on a project.

A folder holds the features of one encoder in one arithmetic, piece by piece: `<name>.npy`, the features [images,
features] float32, and `<name>.keys.npy`, the SHA-256 of what each image is made of [images, 32], which is written
last. Pieces are only ever added, under names that follow from their keys, so a killed process loses one piece, and
two processes that compute the same write the same. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from rawlabel.artifacts.feature_files import KEYS, places_in
from rawlabel.base import distributed, messages, processes
from rawlabel.base.files import atomic_write, disk_errors, write_json
from rawlabel.base.progress import Task, progress
from rawlabel.errors import DataError
from rawlabel.images.decoding import Pixels, read_pixels
from rawlabel.images.image_source import ImageSource
from rawlabel.images.kept_features import KeptFeatures
from rawlabel.models.device import choose_precision
from rawlabel.models.encoder import Encoder
from rawlabel.models.memory import FittingParts
from rawlabel.models.transfer.encoding import BATCH, Encoding, encoding_of

CHUNK = 512
"""Images whose features are one piece; what a kill loses at most."""
Elsewhere = Callable[[ImageSource, Iterable[Sequence[int]]], Iterator[npt.NDArray[np.float32]]]
"""From images, and positions of some of them at a time, to the features of these."""


class Maker(Protocol):
    """What makes features of images."""

    @property
    def key(self) -> str:
        """What features depend on besides the images."""
        ...

    @property
    def name(self) -> str:
        """What people call it, in messages and progress."""
        ...

    @property
    def device(self) -> torch.device:
        """The device on which it computes the features."""
        ...

    def view(self, pixels: Pixels) -> Pixels:
        """The view [side, side, 3] of an image that it takes."""
        ...

    def __call__(self, views: Tensor) -> Tensor:
        """Features [batch, features] of views [batch, side, side, 3] uint8."""
        ...


def features_folder(root: Path) -> Path:
    """Where the features of the images under `root` are kept: there, or else in the user's cache."""
    if root.is_dir() and os.access(root, os.W_OK | os.X_OK):
        return root / "features"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "rawlabel" / "features"


def kept_encoding(folder: Path, encoder: Encoder, device: torch.device, precision: str) -> Encoding:
    """`encoder` in the arithmetic that `precision` says; `auto` takes that of features which are there already."""
    if precision == "auto":
        for name in ("bf16", "fp32") if choose_precision("auto", device) == torch.bfloat16 else ("fp32",):
            known = Encoding(encoder, device, choose_precision(name, device))
            if any(_place(folder, known).glob(f"*{KEYS}")):
                return known
    return encoding_of(encoder, device, precision)


class FeatureStore:
    """The features that `maker` makes, in a folder of their own under `folder`."""

    def __init__(
        self,
        folder: Path,
        maker: Maker,
        workers: int | None = None,
        batch_size: int = BATCH,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """With `elsewhere`, features that are missing are made by that, and here only where it is None."""
        self.maker, self._folder, self._elsewhere = maker, _place(folder, maker), elsewhere
        self._workers, self._batch_size = workers or processes.own_cores(), batch_size
        self._parts = FittingParts()

    def features(self, source: ImageSource, title: str, device: torch.device | None = None) -> KeptFeatures:
        """Features of all of `source`, to be used on `device`; progress shows `title`.

        Raises `DataError` for an image that cannot be read, or features that are no finite numbers, and
        `DiskError`.
        """
        keys = distributed.from_first(lambda: self._keys_of(source))
        pieces, places = places_in(self._folder)
        missing = distributed.from_first(lambda: _missing(keys, places))
        if len(missing):
            self._add(source, keys, missing, title)
            pieces, places = places_in(self._folder)
        try:
            where = np.array([places[key.tobytes()] for key in keys], dtype=np.int64).reshape(-1, 2)
        except KeyError as error:
            raise DataError(
                f"{self._folder}: cannot be read by every process of this run; put the data on a disk that all "
                "share"
            ) from error
        return KeptFeatures(pieces, where[:, 0], where[:, 1], device or torch.device("cpu"))

    def _add(self, source: ImageSource, keys: npt.NDArray[np.uint8], missing: list[int], title: str) -> None:
        """Compute and keep the features of the images at `missing`; of several processes, the first does.

        Others wait from piece to piece, so that none takes the first for lost.
        """
        with self._alone(), progress(title, len(keys), done=len(keys) - len(missing)) as task:
            still = distributed.from_first(lambda: _missing(keys, places_in(self._folder)[1]))
            task.advance(len(missing) - len(still))
            pieces = [still[start : start + CHUNK] for start in range(0, len(still), CHUNK)]
            # Nothing is begun before the first process asks for a piece, and the others never do.
            made = self._made(source, pieces, task)
            for rows in pieces:
                distributed.from_first(lambda rows=rows: self._keep(source, keys, rows, next(made)))  # type: ignore[misc]
            made.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for other processes that add to the folder."""
        if not processes.is_first():
            yield
            return
        with disk_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)

        # The system lets go of it when the process ends, however that ends.
        lock = FileLock(self._folder / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            text = f"waits for another process that computes features in {self._folder}"
            messages.inform(text, lead=messages.COMMAND)
            lock.acquire()
        except OSError:
            pass  # a file system without locks: what two processes write is the same
        try:
            if not (self._folder / "maker.json").exists():
                write_json(self._folder / "maker.json", {"name": self.maker.name, "key": self.maker.key})
            yield
        finally:
            lock.release()

    def _keys_of(self, source: ImageSource) -> npt.NDArray[np.uint8]:
        """What each image is made of, as [images, 32] bytes of SHA-256."""

        def key(index: int) -> bytes:
            stored = source.read(index)
            digest = hashlib.sha256(b"" if stored.ndim == 1 else repr(stored.shape).encode())
            digest.update(stored.tobytes())
            return digest.digest()

        def keys(start: int) -> bytes:
            return b"".join(map(key, range(start, min(start + CHUNK, len(source)))))

        with ThreadPoolExecutor(self._workers) as pool:
            joined = b"".join(pool.map(keys, range(0, len(source), CHUNK)))
        return np.frombuffer(joined, dtype=np.uint8).reshape(-1, 32)

    def _made(
        self, source: ImageSource, pieces: Sequence[list[int]], task: Task
    ) -> Generator[npt.NDArray[np.float32]]:
        """The features of the images at the positions of each piece."""
        if self._elsewhere is not None:
            for rows, features in zip(pieces, self._elsewhere(source, pieces), strict=True):
                task.advance(len(rows))
                yield features
            return
        for rows in pieces:
            found: list[npt.NDArray[np.float32]] = []
            with ThreadPoolExecutor(self._workers) as pool:
                for views in self._views(pool, source, rows):
                    found += [part.float().cpu().numpy() for part in self._parts(self.maker, views)]
                    task.advance(len(views))
            yield np.concatenate(found)

    def _keep(
        self,
        source: ImageSource,
        keys: npt.NDArray[np.uint8],
        rows: list[int],
        features: npt.NDArray[np.float32],
    ) -> None:
        if not np.isfinite(features).all():
            raise DataError(
                f"{self.maker.name}: its features of {source.where(rows[0])} and following images are no finite "
                "numbers; use other weights"
            )
        kept = keys[rows]
        name = hashlib.sha256(kept.tobytes()).hexdigest()[:24]
        with atomic_write(self._folder / f"{name}.npy") as stream:
            np.save(stream, features)
        with atomic_write(self._folder / f"{name}{KEYS}") as stream:
            np.save(stream, kept)

    def _views(self, pool: ThreadPoolExecutor, source: ImageSource, rows: list[int]) -> Iterator[Tensor]:
        """Decode while a GPU computes; on a processor in turns, as both would only be in each other's way."""

        def view(row: int) -> Pixels:
            return self.maker.view(read_pixels(source, row, None))

        batches = [rows[start : start + self._batch_size] for start in range(0, len(rows), self._batch_size)]
        step = 1 if self.maker.device.type == "cpu" else len(batches)
        for start in range(0, len(batches), step):
            part = batches[start : start + step]
            views = pool.map(view, [row for batch in part for row in batch])
            for batch in part:
                yield torch.from_numpy(np.stack([next(views) for _ in batch]))


def _place(folder: Path, maker: Maker) -> Path:
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", maker.name)
    return folder / f"{slug}-{hashlib.sha256(maker.key.encode()).hexdigest()[:12]}"


def _missing(keys: npt.NDArray[np.uint8], places: Collection[bytes]) -> list[int]:
    """Positions of the images of `keys` that are not among `places`, each image once."""
    first = {key.tobytes(): row for row, key in reversed([*enumerate(keys)])}
    return sorted(row for key, row in first.items() if key not in places)
