"""Batches: random views made by threads, from numbers that depend on seed, epoch and sample alone.

So the result does not depend on how many threads there are or on their timing, and a run goes on in the
middle of an epoch at once: step k of epoch e is the same whether or not the steps before it were made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.train.images import DRAWS, Images, Transform
from rawlabel.train.strong_augmentation import StrongAugmentation

_ORDER, _VIEWS, _STRONG = 0, 1, 2
_AHEAD = 3
"""Batches that are made while the network works on one."""

Draws = npt.NDArray[np.float64]
"""[images, draws] uniform random numbers."""


class RawBatch(NamedTuple):
    """One step's images, as the threads make them."""

    views: Tensor
    """[batch, size, size, 3] uint8."""
    sample_ids: Tensor
    """[batch] int64."""
    strong_views: tuple[Tensor, ...] = ()
    """Further views of the same images, strongly augmented."""


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Steps of one epoch; a last batch of one image is left out, for batch norm cannot use it."""
    full, rest = divmod(num_images, batch_size)
    return full + (rest > 1)


class Loader:
    """Training batches of `images`; close it to end its threads."""

    def __init__(
        self,
        images: Images,
        transform: Transform,
        batch_size: int,
        seed: int,
        workers: int,
        strong: StrongAugmentation | None = None,
    ) -> None:
        self._images, self._transform, self._batch_size, self._seed = images, transform, batch_size, seed
        self._strong = strong
        self._pool = ThreadPoolExecutor(workers)

    @property
    def num_steps(self) -> int:
        """Steps of one epoch."""
        return steps_per_epoch(len(self._images), self._batch_size)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[RawBatch]:
        """The batches of `epoch` from `first_step` on."""
        order = self._random(_ORDER, epoch).permutation(len(self._images))
        draws = self._random(_VIEWS, epoch).random((len(self._images), DRAWS))
        strong: list[Draws] = []
        if self._strong is not None:
            shape = len(self._images), self._strong.draws
            strong = [self._random(_STRONG + view, epoch).random(shape) for view in range(self._strong.views)]
        steps = iter(range(first_step, self.num_steps))
        waiting: deque[Future[RawBatch]] = deque()

        def start_one() -> None:
            step = next(steps, None)
            if step is not None:
                ids = order[step * self._batch_size : (step + 1) * self._batch_size]
                waiting.append(self._pool.submit(self._make, ids, draws, strong))

        for _ in range(_AHEAD):
            start_one()
        while waiting:
            batch = waiting.popleft().result()
            start_one()
            yield batch

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _random(self, stream: int, epoch: int) -> np.random.Generator:
        """Philox is counter-based: each (seed, stream, epoch) has its own independent numbers."""
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, stream, epoch])))

    def _make(self, ids: npt.NDArray[np.int64], draws: Draws, strong: list[Draws]) -> RawBatch:
        size = self._transform.image_size
        views, *strong_views = np.empty((1 + len(strong), len(ids), size, size, 3), dtype=np.uint8)
        for row, index in enumerate(ids.tolist()):
            pixels = self._images[index]
            views[row] = self._transform.training_view(pixels, draws[index])
            for view, own_draws in zip(strong_views, strong, strict=True):
                assert self._strong is not None
                view[row] = self._strong.view(self._transform, pixels, own_draws[index])
        return RawBatch(torch.from_numpy(views), torch.from_numpy(ids), tuple(map(torch.from_numpy, strong_views)))


def evaluation_batches(images: Images, transform: Transform, batch_size: int) -> Iterator[Tensor]:
    """Centre views [batch, size, size, 3] uint8 of all images, in order."""
    size = transform.image_size
    for start in range(0, len(images), batch_size):
        stop = min(start + batch_size, len(images))
        views = np.empty((stop - start, size, size, 3), dtype=np.uint8)
        for view, index in zip(views, range(start, stop), strict=True):
            view[:] = transform.evaluation_view(images[index])
        yield torch.from_numpy(views)
