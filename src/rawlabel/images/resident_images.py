"""Small images as one array on the device: nothing is decoded or sent while training goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.base.progress import progress
from rawlabel.errors import DataError
from rawlabel.images.decoding import Images, Pixels, Transform
from rawlabel.images.image_source import ImageSource

_CHUNK = 4096
"""Images that are sent to the device at a time."""


class OtherSizes(DataError):
    """An image whose shorter side is not the one that the network sees."""


class ResidentImages:
    """The centre squares of images, all that views without a resized crop are cut from."""

    place = "device"

    def __init__(self, squares: Tensor, transform: Transform, workers: int) -> None:
        """`squares` are [images, side, side, 3] uint8, where `side` is the transform's image size."""
        self.squares, self._transform, self._workers = squares, transform, workers
        self._smaller: Tensor | None = None

    @classmethod
    def load(
        cls,
        source: ImageSource,
        transform: Transform,
        device: torch.device,
        workers: int,
        title: str | None = None,
    ) -> ResidentImages:
        """Bring all of `source` to `device`, with progress under `title`.

        Raises `OtherSizes` that names an image whose square would have to be resized: to another size first, it
        would not give the same views. Images up to 64 pixels always fit. Raises `DataError` for an image that
        cannot be read or decoded.
        """
        count, side = len(source), transform.image_size
        squares = torch.empty((count, side, side, 3), dtype=torch.uint8, device=device)
        decoded = Images(source, transform.stored_side, workers, cache="none")
        has_squares = source.pixel_shape == (side, side)

        def square(index: int) -> Pixels:
            pixels = decoded[index]
            if min(pixels.shape[:2]) != side:
                raise OtherSizes(
                    f"{source.where(index)}: is {pixels.shape[1]} x {pixels.shape[0]}, and --cache device keeps "
                    f"images whose shorter side is --image-size {side}; leave --cache out, or `rawlabel pack "
                    f"--mode raw --size {side}` first"
                )
            return transform.evaluation_view(pixels)

        with ThreadPoolExecutor(workers) as pool, progress(title, count) if title else nullcontext() as task:
            for start in range(0, count, _CHUNK):
                rows = np.arange(start, min(start + _CHUNK, count))
                pixels = source.side_by_side(rows) if has_squares else list(pool.map(square, rows.tolist()))
                squares[start : start + len(rows)] = torch.from_numpy(np.asarray(pixels))
                if task:
                    task.advance(len(rows))
        return cls(squares, transform, workers)

    def __len__(self) -> int:
        return len(self.squares)

    def __getitem__(self, index: int) -> Pixels:
        pixels: Pixels = self.squares[index].cpu().numpy()
        return pixels

    def select(self, rows: npt.NDArray[np.int64]) -> ResidentImages:
        """The images at positions `rows` [n], in that order, copied on the device that they are on."""
        selected = self.squares.index_select(0, torch.from_numpy(rows).to(self.squares.device))
        return ResidentImages(selected, self._transform, self._workers)

    def at(self, side: int) -> Tensor:
        """The squares at another side [images, side, side, 3]; those of the last other side asked for are kept."""
        if side == self.squares.shape[1]:
            return self.squares
        if self._smaller is None or self._smaller.shape[1] != side:
            self._smaller = None
            self._smaller = self._resized(side)
        return self._smaller

    def _resized(self, side: int) -> Tensor:
        """Resized one by one and by the processor, so that their pixels are those of the threads' views."""
        resized = self.squares.new_empty((len(self), side, side, 3))
        view = replace(self._transform, image_size=side).evaluation_view
        with ThreadPoolExecutor(self._workers) as pool:
            for start in range(0, len(self), _CHUNK):
                squares = self.squares[start : start + _CHUNK].cpu().numpy()
                resized[start : start + len(squares)] = torch.from_numpy(np.stack(list(pool.map(view, squares))))
        return resized
