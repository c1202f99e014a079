"""Batches: random views made by threads, from numbers that depend on seed, epoch and sample alone.

So the result does not depend on how many threads there are or on their timing, and a run goes on in the
middle of an epoch at once: step k of epoch e is the same whether or not the steps before it were made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.train.images import DRAWS, Images, Transform

_ORDER, _VIEWS = 0, 1
_AHEAD = 3
"""Batches that are made while the network works on one."""

RawBatch = tuple[Tensor, Tensor]
"""Images [batch, size, size, 3] uint8, and sample ids [batch] int64."""


class Loader:
    """Training batches of `images`; close it, or use it as a context manager, to end its threads."""

    def __init__(self, images: Images, transform: Transform, batch_size: int, seed: int, workers: int) -> None:
        self._images, self._transform, self._batch_size, self._seed = images, transform, batch_size, seed
        self._pool = ThreadPoolExecutor(workers)

    @property
    def num_steps(self) -> int:
        """Steps of one epoch; a last batch of one image is left out, for batch norm cannot use it."""
        full, rest = divmod(len(self._images), self._batch_size)
        return full + (rest > 1)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[RawBatch]:
        """The batches of `epoch` from `first_step` on."""
        order = self._random(_ORDER, epoch).permutation(len(self._images))
        draws = self._random(_VIEWS, epoch).random((len(self._images), DRAWS))
        steps = iter(range(first_step, self.num_steps))
        waiting: deque[Future[RawBatch]] = deque()

        def start_one() -> None:
            step = next(steps, None)
            if step is not None:
                ids = order[step * self._batch_size : (step + 1) * self._batch_size]
                waiting.append(self._pool.submit(self._make, ids, draws))

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

    def _make(self, ids: npt.NDArray[np.int64], draws: npt.NDArray[np.float64]) -> RawBatch:
        size = self._transform.image_size
        views = np.empty((len(ids), size, size, 3), dtype=np.uint8)
        for view, index in zip(views, ids.tolist(), strict=True):
            view[:] = self._transform.training_view(self._images[index], draws[index])
        return torch.from_numpy(views), torch.from_numpy(ids)


def evaluation_batches(images: Images, transform: Transform, batch_size: int) -> Iterator[Tensor]:
    """Centre views [batch, size, size, 3] uint8 of all images, in order."""
    size = transform.image_size
    for start in range(0, len(images), batch_size):
        stop = min(start + batch_size, len(images))
        views = np.empty((stop - start, size, size, 3), dtype=np.uint8)
        for view, index in zip(views, range(start, stop), strict=True):
            view[:] = transform.evaluation_view(images[index])
        yield torch.from_numpy(views)
