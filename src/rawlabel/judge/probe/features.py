"""Features of images, computed once and kept on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from rawlabel.base.files import atomic_write
from rawlabel.base.progress import Task, progress
from rawlabel.errors import DataError
from rawlabel.images.decoding import read_pixels
from rawlabel.images.image_source import ImageSource
from rawlabel.judge.probe.choice import Features
from rawlabel.judge.probe.encoders import Encoder
from rawlabel.models.memory import FittingParts

CHUNK = 512
"""Images whose features are one file; what a kill loses at most."""


class FeatureCache:
    """Features of one encoder in a folder of their own, one file a chunk of images.

    The folder's name is made from the encoder's weights and views, the data and the images' names, so features are
    taken up only where all of these are the same. It may be deleted at any time.
    """

    def __init__(self, folder: Path, encoder: Encoder, batch_size: int, workers: int) -> None:
        self._folder, self._encoder, self._batch_size, self._workers = folder, encoder, batch_size, workers
        self._parts = FittingParts()

    def features(self, source: ImageSource, fingerprint: str, title: str) -> Features:
        """Features [images, features] of all of `source`, whose data has `fingerprint`; progress shows `title`.

        Raises `DataError` for an image that cannot be read, or features that are no finite numbers, and
        `DiskError`.
        """
        digest = hashlib.sha256(f"{self._encoder.key}:{fingerprint}".encode())
        for index in range(len(source)):
            digest.update(b"\0" + source.name(index).encode("utf-8", "surrogateescape"))
        folder = self._folder / digest.hexdigest()[:24]
        pieces = []
        with progress(title, len(source)) as task:
            for start in range(0, len(source), CHUNK):
                rows = range(start, min(start + CHUNK, len(source)))
                path = folder / f"{start // CHUNK:06d}.npy"
                piece = _read(path, len(rows))
                if piece is None:
                    piece = self._compute(source, rows, task)
                    with atomic_write(path) as stream:
                        np.save(stream, piece)
                else:
                    task.advance(len(rows))
                pieces.append(piece)
        return np.concatenate(pieces)

    def _compute(self, source: ImageSource, rows: range, task: Task) -> Features:
        pieces: list[Features] = []
        with ThreadPoolExecutor(self._workers) as pool:
            for batch in _batches(self._views(pool, source, rows), self._batch_size):
                pieces.extend(self._parts(self._encoder.encode, batch))
                task.advance(len(batch))
        features = np.concatenate(pieces)
        if not np.isfinite(features).all():
            raise DataError(
                f"{self._encoder.backbone}: its features of {source.where(rows[0])} and following images are no "
                "finite numbers; use other weights"
            )
        return features

    def _views(self, pool: ThreadPoolExecutor, source: ImageSource, rows: range) -> Iterator[torch.Tensor]:
        """Decode while a GPU computes; on a processor in turns, as both would only be in each other's way."""
        encoder = self._encoder
        step = self._batch_size if encoder.device.type == "cpu" else len(rows)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            yield from pool.map(lambda row: encoder.view(read_pixels(source, row, encoder.shorter_side)), part)


def _batches(views: Iterator[torch.Tensor], size: int) -> Iterator[torch.Tensor]:
    batch = []
    for view in views:
        batch.append(view)
        if len(batch) == size:
            yield torch.stack(batch)
            batch = []
    if batch:
        yield torch.stack(batch)


def _read(path: Path, count: int) -> Features | None:
    """The features in a file; None where there is none, or not what was written."""
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    is_whole = features.ndim == 2 and len(features) == count and features.dtype == np.float32
    return features if is_whole else None
