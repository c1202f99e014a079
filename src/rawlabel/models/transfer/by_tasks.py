"""Features as tasks of a cluster: each process builds the encoder once, and is sent images as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from rawlabel.base.image_header import NotDecodable
from rawlabel.base.ray_cluster import Cluster
from rawlabel.images.decoding import decode_image, read_pixels
from rawlabel.images.image_source import ImageSource, StoredImage
from rawlabel.models.device import choose_precision
from rawlabel.models.encoder import load_encoder
from rawlabel.models.transfer.encoding import Encoding

Features = npt.NDArray[np.float32]
"""[images, features]."""


@dataclass(frozen=True)
class ByTasks:
    """What makes the features of an encoder in other processes, on their processors."""

    cluster: Cluster
    encoder: str
    """Its name, as `--encoder` takes it."""
    weights: Path | None
    """Its file of weights, which every machine finds at this place."""
    precision: str
    """`bf16` or `fp32`."""
    batch_size: int

    def __call__(self, source: ImageSource, pieces: Iterable[Sequence[int]]) -> Iterator[Features]:
        """The features of the images at the positions of each piece.

        Raises `DataError` for an image that cannot be read or decoded, and what `Cluster.results` raises.
        """
        rows = list(pieces)
        calls = (([source.read(row) for row in piece], source.max_megapixels, self) for piece in rows)
        for piece, found in zip(rows, self.cluster.results(_features, calls), strict=True):
            if isinstance(found, int):
                read_pixels(source, piece[found], None)
                raise AssertionError(f"{source.where(piece[found])}: is decoded here, and by no task")
            yield found


def _features(stored: Sequence[StoredImage], max_megapixels: float, how: ByTasks) -> Features | int:
    """Features of some images; the place of one that cannot be decoded."""
    encoding = _encoding(how.encoder, how.weights, how.precision)
    views, pieces = [], []
    for place, one in enumerate(stored):
        try:
            views.append(encoding.view(decode_image(one, None, max_megapixels)))
        except NotDecodable:
            return place
        if len(views) == how.batch_size or place == len(stored) - 1:
            pieces.append(encoding(torch.from_numpy(np.stack(views))).cpu().numpy())
            views.clear()
    return np.concatenate(pieces)


@lru_cache(maxsize=1)
def _encoding(name: str, weights: Path | None, precision: str) -> Encoding:
    device = torch.device("cpu")
    return Encoding(load_encoder(name, weights), device, choose_precision(precision, device))
