"""Batches: random views made by threads, from numbers that depend on seed, epoch and sample alone.

So the result does not depend on how many threads there are or on their timing, and a run goes on in the
middle of an epoch at once: step k of epoch e is the same whether or not the steps before it were made.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.base import distributed, processes
from rawlabel.images.decoding import DRAWS, DecodedImages, Transform
from rawlabel.images.kept_features import KeptFeatures
from rawlabel.images.resident_images import ResidentImages
from rawlabel.images.strong_augmentation import StrongAugmentation

_ORDER, _VIEWS, _STRONG = 0, 1, 2
_AHEAD = 3
"""Batches that are made while the network works on one."""
_MEASURED_AHEAD = 2
"""The same when the network is measured: its batches are larger."""
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

    num_parts: int = 1
    """In how many parts the batch is computed."""

    def parts(self) -> Iterator[RawBatch]:
        """The batch in up to `num_parts` parts of nearly one size, none of which has a single image."""
        begin = 0
        for start, stop in _bounds(len(self.sample_ids), self.num_parts):
            ids = self.sample_ids[start:stop]
            end = begin + len(distributed.own_rows(len(ids)))
            yield RawBatch(self.views[begin:end], ids, tuple(views[begin:end] for views in self.strong_views))
            begin = end


def _bounds(num_images: int, count: int) -> list[tuple[int, int]]:
    """First row of each part of a batch, and the row behind its last."""
    count = max(1, min(count, num_images // 2))
    ends = [num_images * (number + 1) // count for number in range(count)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def own_ids(ids: npt.NDArray[np.int64], parts: int) -> npt.NDArray[np.int64]:
    """This process's share of each of the parts in which a batch of images is computed, one after the other."""
    shares = [distributed.own(torch.from_numpy(ids[start:stop])) for start, stop in _bounds(len(ids), parts)]
    own: npt.NDArray[np.int64] = torch.cat(shares).numpy()
    return own


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


class BatchLoader(Protocol):
    """What makes training batches."""

    @property
    def num_steps(self) -> int:
        """Optimizer steps of one epoch, a last batch that is not full included."""

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[RawBatch]:
        """The batches of `epoch` from `first_step` on."""

    def prepare(self, epoch: int, first_step: int = 0) -> None:
        """Begin with an epoch before `epoch` asks for it."""

    def close(self) -> None:
        """End the threads that read ahead; no batch can be asked for afterwards."""


class PreparingLoader(ABC):
    """Base of loaders that can begin with an epoch before it is asked for."""

    def __init__(self, num_images: int, batch_size: int) -> None:
        self._num_images, self._batch_size = num_images, batch_size
        self._prepared: tuple[int, int, Iterator[RawBatch]] | None = None

    @property
    def num_steps(self) -> int:
        """Optimizer steps of one epoch, a last batch that is not full included."""
        return steps_per_epoch(self._num_images, self._batch_size)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[RawBatch]:
        """The batches of `epoch` from `first_step` on."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[:2] == (epoch, first_step):
            return prepared[2]
        return self._start(epoch, first_step)

    def prepare(self, epoch: int, first_step: int = 0) -> None:
        """Begin with an epoch before `epoch` asks for it."""
        self._prepared = epoch, first_step, self._start(epoch, first_step)

    @abstractmethod
    def _start(self, epoch: int, first_step: int) -> Iterator[RawBatch]:
        """Begin with an epoch."""


class _Waiting(NamedTuple):
    """A batch in the making."""

    batch: RawBatch
    parts: list[Future[None]]


class Loader(PreparingLoader):
    """Training batches of `images`; close it to end its threads.

    Threads decode and cut views straight into the memory of the batch, which is pinned for a GPU. The threads live
    as long as the loader, and `prepare` lets them begin an epoch while something else goes on. `size_of` gives the
    side of an epoch's views [pixels], by default the transform's; `parts` says in how many parts a batch is
    computed.
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
        size_of: Callable[[int], int] | None = None,
        parts: int = 1,
    ) -> None:
        super().__init__(len(images), batch_size)
        self._images, self._transform, self._seed = images, transform, seed
        self._strong, self._pin_memory, self._size_of, self._parts = strong, pin_memory, size_of, parts
        self._pool = ThreadPoolExecutor(workers)

    def close(self) -> None:
        """End the threads at once; images that nobody waits for any more are not read."""
        self._pool.shutdown(cancel_futures=True)

    def _start(self, epoch: int, first_step: int) -> Iterator[RawBatch]:
        random = EpochRandom(self._seed, epoch, len(self._images), self._strong)
        transform = self._transform
        if self._size_of is not None:
            transform = replace(transform, image_size=self._size_of(epoch))
        make = partial(self._make, transform, random)
        steps = iter(range(first_step, self.num_steps))
        waiting = deque(map(make, islice(steps, _AHEAD)))
        return self._deliver(waiting, steps, make)

    def _deliver(
        self, waiting: deque[_Waiting], steps: Iterator[int], make: Callable[[int], _Waiting]
    ) -> Iterator[RawBatch]:
        while waiting:
            batch, parts = waiting.popleft()
            for part in parts:
                part.result()
            waiting.extend(map(make, islice(steps, 1)))
            yield batch

    def _make(self, transform: Transform, random: EpochRandom, step: int) -> _Waiting:
        """Set threads to work on a batch."""
        ids = random.order[step * self._batch_size : (step + 1) * self._batch_size]
        size = transform.image_size
        own = own_ids(ids, self._parts)
        shape = (1 + len(random.strong), len(own), size, size, 3)
        views = torch.empty(shape, dtype=torch.uint8, pin_memory=self._pin_memory)
        parts = []
        for start in range(0, len(own), _PART):
            stop = start + _PART
            into = views[:, start:stop].numpy()
            parts.append(self._pool.submit(self._fill, into, own[start:stop], transform, random))
        first, *others = views
        return _Waiting(RawBatch(first, torch.from_numpy(ids), tuple(others), self._parts), parts)

    def _fill(
        self, into: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64], transform: Transform, random: EpochRandom
    ) -> None:
        views, *strong_views = into
        for row, index in enumerate(ids.tolist()):
            pixels = self._images[index]
            views[row] = transform.training_view(pixels, random.draws[index])
            for view, draws in zip(strong_views, random.strong, strict=True):
                assert self._strong is not None
                view[row] = self._strong.view(transform, pixels, draws[index])


def evaluation_batches(
    images: DecodedImages | KeptFeatures, transform: Transform, batch_size: int, *, pin_memory: bool = False
) -> Iterator[Tensor]:
    """Centre views [batch, size, size, 3] uint8 of this process's share of the images, in order; or features.

    They lie in pinned memory, for a GPU, if `pin_memory`.
    """
    size, own = transform.image_size, distributed.own_rows(len(images))
    if isinstance(images, KeptFeatures):
        yield from map(images.at, torch.split(own, batch_size))
        return
    if isinstance(images, ResidentImages):
        squares = images.at(size)
        for rows in torch.split(own.to(squares.device), batch_size):
            yield squares.index_select(0, rows)
        return
    pool = ThreadPoolExecutor(processes.own_cores())
    try:
        make = partial(_centres, pool, images, transform, pin_memory)
        batches = iter(torch.split(own, batch_size))
        waiting = deque(map(make, islice(batches, _MEASURED_AHEAD)))
        while waiting:
            views, parts = waiting.popleft()
            waiting.extend(map(make, islice(batches, 1)))
            for part in parts:
                part.result()
            yield views
    finally:
        pool.shutdown(cancel_futures=True)


def _centres(
    pool: ThreadPoolExecutor, images: DecodedImages, transform: Transform, pin_memory: bool, rows: Tensor
) -> tuple[Tensor, list[Future[None]]]:
    """Set threads to work on the centre views of the images of `rows`."""
    size = transform.image_size
    views = torch.empty((len(rows), size, size, 3), dtype=torch.uint8, pin_memory=pin_memory)
    into = views.numpy()

    def fill(start: int) -> None:
        for row, index in enumerate(rows[start : start + _PART].tolist(), start):
            into[row] = transform.evaluation_view(images[index])

    return views, [pool.submit(fill, start) for start in range(0, len(rows), _PART)]
