"""Batches of images that lie on the device: the views of `Loader`, cut by the device, a batch at a time.

The numbers are those of `EpochRandom`, so every pixel is the one that the threads would have made. They are sent
once an epoch; in a step nothing is sent, and nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.images.decoding import Transform
from rawlabel.images.loader import Draws, EpochRandom, PreparingLoader, RawBatch, own_ids
from rawlabel.images.resident_images import ResidentImages


class _Crops(NamedTuple):
    """Which image each view is of and where it lies in it, by view and on the device; all int64 but `flips`."""

    ids: Tensor
    tops: Tensor
    """First row in the square with its reflected margin [pixels]."""
    lefts: Tensor
    flips: Tensor

    def rows(self, begin: int, end: int) -> _Crops:
        return _Crops(*(one[begin:end] for one in self))


class ResidentLoader(PreparingLoader):
    """Training batches of `images`, as `Loader` makes them, for a transform without a resized crop.

    Several processes each hold all images and cut their share of a batch. `size_of` gives the side of an epoch's
    views [pixels]; `parts` says in how many parts a batch is computed.
    """

    def __init__(
        self,
        images: ResidentImages,
        transform: Transform,
        batch_size: int,
        seed: int,
        size_of: Callable[[int], int] | None = None,
        parts: int = 1,
    ) -> None:
        assert not transform.is_resized_crop
        super().__init__(len(images), batch_size)
        self._images, self._transform, self._seed = images, transform, seed
        self._size_of, self._parts = size_of, parts

    def close(self) -> None:
        """Forget the epoch that was prepared; the images stay on the device."""
        self._prepared = None

    def _start(self, epoch: int, first_step: int) -> Iterator[RawBatch]:
        """Draw and send the numbers of an epoch."""
        random = EpochRandom(self._seed, epoch, len(self._images))
        side = self._transform.image_size if self._size_of is None else self._size_of(epoch)
        squares, size = self._images.at(side), self._batch_size
        batches = [random.order[step * size : (step + 1) * size] for step in range(first_step, self.num_steps)]
        shares = [own_ids(ids, self._parts) for ids in batches]
        own = np.concatenate(shares) if shares else random.order[:0]
        crops = _Crops(*(_sent(one, squares.device) for one in (own, *self._places(random.draws[own], side))))
        order = _sent(random.order, squares.device)
        return self._deliver(squares, order, crops, first_step, [len(one) for one in shares])

    def _places(self, draws: Draws, side: int) -> tuple[npt.NDArray[np.generic], ...]:
        """Tops, lefts and flips of views, as `Transform.training_view` takes them from its numbers."""
        margin, augment = side // 8, self._transform.augment
        span = 2 * margin + 1
        tops = lefts = np.full(len(draws), margin)
        if augment in ("crop", "crop_flip"):
            tops, lefts = (draws[:, 2] * span).astype(np.int64), (draws[:, 3] * span).astype(np.int64)
        return tops, lefts, (draws[:, 4] < 0.5) & (augment in ("flip", "crop_flip"))

    def _deliver(
        self, squares: Tensor, order: Tensor, crops: _Crops, first_step: int, shares: list[int]
    ) -> Iterator[RawBatch]:
        begin = 0
        for step, share in enumerate(shares, first_step):
            views = _cut(squares, crops.rows(begin, begin + share))
            ids = order[step * self._batch_size : (step + 1) * self._batch_size]
            yield RawBatch(views, ids, num_parts=self._parts)
            begin += share


def _sent(values: npt.NDArray[np.generic], device: torch.device) -> Tensor:
    tensor = torch.from_numpy(values)
    # From ordinary memory, the copy would wait for the device.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _cut(squares: Tensor, crops: _Crops) -> Tensor:
    """Views [views, side, side, 3] of squares that go on by reflection for an eighth of their side."""
    side, count = squares.shape[1], len(crops.ids)
    across = torch.arange(side, device=squares.device)
    margin = side // 8
    rows = _reflected(crops.tops[:, None] + across - margin, side)
    columns = torch.where(crops.flips[:, None], side - 1 - across, across)
    columns = _reflected(crops.lefts[:, None] + columns - margin, side)
    # First whole lines, which lie together in memory, then the channels of the columns within them.
    lines = squares.view(-1, 3 * side).index_select(0, (crops.ids[:, None] * side + rows).flatten())
    channels = (3 * columns[:, :, None] + torch.arange(3, device=squares.device)).view(count, 1, 3 * side)
    return lines.view(count, side, 3 * side).gather(2, channels.expand(-1, side, -1)).view(count, side, side, 3)


def _reflected(positions: Tensor, side: int) -> Tensor:
    """Positions beyond an edge, mirrored at it; the edge itself is not repeated (OpenCV's BORDER_REFLECT_101)."""
    return (side - 1) - ((side - 1) - positions.abs()).abs()
