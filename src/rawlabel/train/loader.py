"""Batches: random views made by threads, from numbers that depend on seed, epoch and sample alone.

So the result does not depend on how many threads there are or on their timing, and a run goes on in the
middle of an epoch at once: step k of epoch e is the same whether or not the steps before it were made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.train import distributed
from rawlabel.train.images import DRAWS, DecodedImages, Transform
from rawlabel.train.strong_augmentation import StrongAugmentation

_ORDER, _VIEWS, _STRONG = 0, 1, 2
_AHEAD = 3
"""Batches that are made while the network works on one."""
_PART = 32
"""Images that one thread makes at a time."""

Draws = npt.NDArray[np.float64]
"""[images, draws] uniform random numbers."""


class RawBatch(NamedTuple):
    """One step's images, as the threads make them; of several processes, each has a share of them."""

    views: Tensor
    """[share, size, size, 3] uint8; the share is the batch where there is one process."""
    sample_ids: Tensor
    """[batch] int64."""
    strong_views: tuple[Tensor, ...] = ()
    """Further views of the same images, strongly augmented."""


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Steps of one epoch; a last batch of one image is left out, for batch norm cannot use it."""
    full, rest = divmod(num_images, batch_size)
    return full + (rest > 1)


class EpochRandom:
    """The random numbers of one epoch, the same on every machine and for any number of threads."""

    def __init__(self, seed: int, epoch: int, num_images: int, strong: StrongAugmentation | None = None) -> None:
        self._key = seed, epoch
        self.order: npt.NDArray[np.int64] = self._generator(_ORDER).permutation(num_images)
        """Image ids in the order of this epoch."""
        self.draws: Draws = self._generator(_VIEWS).random((num_images, DRAWS))
        """Numbers of each image's view, by image id."""
        self.strong: list[Draws] = []
        """The same for each strong view."""
        if strong is not None:
            shape = num_images, strong.draws
            self.strong = [self._generator(_STRONG + view).random(shape) for view in range(strong.views)]

    def _generator(self, stream: int) -> np.random.Generator:
        """Philox is counter-based: each (seed, stream, epoch) has its own independent numbers."""
        seed, epoch = self._key
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stream, epoch])))


class _Waiting(NamedTuple):
    """A batch in the making."""

    batch: RawBatch
    parts: list[Future[None]]


class Loader:
    """Training batches of `images`; close it to end its threads.

    Threads decode and cut views straight into the memory of the batch, which is pinned for a GPU. The threads live
    as long as the loader, and `prepare` lets them begin an epoch while something else goes on.
    """

    def __init__(
        self,
        images: DecodedImages,
        transform: Transform,
        batch_size: int,
        seed: int,
        workers: int,
        strong: StrongAugmentation | None = None,
        pin_memory: bool = False,
    ) -> None:
        self._images, self._transform, self._batch_size, self._seed = images, transform, batch_size, seed
        self._strong, self._pin_memory = strong, pin_memory
        self._pool = ThreadPoolExecutor(workers)
        self._prepared: tuple[int, int, Iterator[RawBatch]] | None = None

    @property
    def num_steps(self) -> int:
        """Steps of one epoch."""
        return steps_per_epoch(len(self._images), self._batch_size)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[RawBatch]:
        """The batches of `epoch` from `first_step` on."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[:2] == (epoch, first_step):
            return prepared[2]
        return self._start(epoch, first_step)

    def prepare(self, epoch: int, first_step: int = 0) -> None:
        """Let the threads begin with an epoch before `epoch` asks for it."""
        self._prepared = epoch, first_step, self._start(epoch, first_step)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self, epoch: int, first_step: int) -> Iterator[RawBatch]:
        random = EpochRandom(self._seed, epoch, len(self._images), self._strong)
        steps = iter(range(first_step, self.num_steps))
        waiting = deque(self._make(step, random) for step in islice(steps, _AHEAD))
        return self._deliver(waiting, steps, random)

    def _deliver(self, waiting: deque[_Waiting], steps: Iterator[int], random: EpochRandom) -> Iterator[RawBatch]:
        while waiting:
            batch, parts = waiting.popleft()
            for part in parts:
                part.result()
            waiting.extend(self._make(step, random) for step in islice(steps, 1))
            yield batch

    def _make(self, step: int, random: EpochRandom) -> _Waiting:
        """Set threads to work on a batch."""
        ids = random.order[step * self._batch_size : (step + 1) * self._batch_size]
        size = self._transform.image_size
        own = distributed.own(torch.from_numpy(ids)).numpy()
        shape = (1 + len(random.strong), len(own), size, size, 3)
        views = torch.empty(shape, dtype=torch.uint8, pin_memory=self._pin_memory)
        parts = [
            self._pool.submit(
                self._fill, views[:, start : start + _PART].numpy(), own[start : start + _PART], random
            )
            for start in range(0, len(own), _PART)
        ]
        first, *others = views
        return _Waiting(RawBatch(first, torch.from_numpy(ids), tuple(others)), parts)

    def _fill(self, into: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64], random: EpochRandom) -> None:
        views, *strong_views = into
        for row, index in enumerate(ids.tolist()):
            pixels = self._images[index]
            views[row] = self._transform.training_view(pixels, random.draws[index])
            for view, draws in zip(strong_views, random.strong, strict=True):
                assert self._strong is not None
                view[row] = self._strong.view(self._transform, pixels, draws[index])


def evaluation_batches(images: DecodedImages, transform: Transform, batch_size: int) -> Iterator[Tensor]:
    """Centre views [batch, size, size, 3] uint8 of this process's share of the images, in order."""
    size = transform.image_size
    for rows in torch.split(distributed.own_rows(len(images)), batch_size):
        views = np.empty((len(rows), size, size, 3), dtype=np.uint8)
        for view, index in zip(views, rows.tolist(), strict=True):
            view[:] = transform.evaluation_view(images[index])
        yield torch.from_numpy(views)
