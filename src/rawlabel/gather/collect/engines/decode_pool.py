"""Decode photos in processes that may use little memory and little time, and may die without harm."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from rawlabel.base.signals import interrupts_blocked
from rawlabel.base.spawning import spawn_context
from rawlabel.errors import DataError
from rawlabel.gather.collect.engines import image_worker
from rawlabel.gather.collect.engines.image_worker import Examined, WorkerLimits
from rawlabel.records import Reason

MOST_IN_BATCH, MOST_BYTES_IN_BATCH = 16, 4_000_000
"""A batch is what has gathered while the workers were busy; small enough to be decoded well within the time."""
_MOST_BREAKS = 3
Found = TypeVar("Found")


@dataclass(frozen=True)
class Work(Generic[Found]):
    """What the processes do with photos."""

    on_photos: Callable[[Sequence[bytes]], list[Found]]
    """Runs there, so it must be importable, and say one thing of each photo."""
    if_lost: Callable[[bytes], Found]
    """What is said of a photo that no process survived."""
    most_in_batch: int = MOST_IN_BATCH
    tries: int = 2
    """How often a photo whose batch failed is tried by itself: a process may also be ended from outside."""


class WorkerPool(Generic[Found]):
    """Has processes work on photos, many at a time; use it as an async context manager."""

    def __init__(self, work: Work[Found], limits: WorkerLimits, *, workers: int, seconds: float) -> None:
        self._work, self._limits, self._num_workers, self._seconds = work, limits, workers, seconds
        self._waiting: deque[tuple[bytes, asyncio.Future[Found]]] = deque()
        self._batches: set[asyncio.Task[None]] = set()
        self._breaks_in_a_row = 0
        self._context = spawn_context()

    async def __aenter__(self) -> Self:
        self._pool = self._started()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for batch in self._batches:
            batch.cancel()
        self._pool.stop()  # type: ignore[no-untyped-call]
        # pebble takes away what workers begin with before it ends them; one that is just starting would say so.
        await asyncio.to_thread(self._context.kill_all)
        await asyncio.to_thread(_join, self._pool)

    async def work_on(self, data: bytes) -> Found:
        """What the processes say of one photo. Raises `DataError` when none can be kept alive."""
        future: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((data, future))
        self._send_batches()
        return await future

    def _send_batches(self) -> None:
        # One batch more than there are workers, so that none waits for its next one.
        while self._waiting and len(self._batches) <= self._num_workers:
            batch = [self._waiting.popleft()]
            size = len(batch[0][0])
            while self._waiting and len(batch) < self._work.most_in_batch:
                size += len(self._waiting[0][0])
                if size > MOST_BYTES_IN_BATCH:
                    break
                batch.append(self._waiting.popleft())
            task = asyncio.create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        if not task.cancelled():
            self._send_batches()

    async def _run(self, batch: list[tuple[bytes, asyncio.Future[Found]]]) -> None:
        wanted = [(data, future) for data, future in batch if not future.done()]
        try:
            results = await self._work_on_all([data for data, _ in wanted])
        except (DataError, asyncio.CancelledError) as error:
            for _, future in wanted:
                if isinstance(error, DataError) and not future.done():
                    future.set_exception(error)
                else:
                    future.cancel()
            return
        for (_, future), result in zip(wanted, results, strict=True):
            if not future.done():
                future.set_result(result)

    async def _work_on_all(self, photos: Sequence[bytes]) -> list[Found]:
        """A batch; where it fails, each photo by itself, so that only the guilty one bears the consequence."""
        results = await self._try(photos)
        if results is not None:
            return results
        singles: list[Found] = []
        for photo in photos:
            single = None
            for _ in range(self._work.tries):
                single = single or await self._try([photo])
            singles += single or [self._work.if_lost(photo)]
        return singles

    async def _try(self, photos: Sequence[bytes]) -> list[Found] | None:
        """None when the time ran out or the process died."""
        while True:
            pool = self._pool
            try:
                future = pool.schedule(self._work.on_photos, args=[photos], timeout=self._seconds)
                results: list[Found] = await asyncio.wrap_future(future)
            except (TimeoutError, ProcessExpired):
                return None
            except (BrokenProcessPool, RuntimeError) as error:
                await self._replace(pool, error)
                continue
            self._breaks_in_a_row = 0
            return results

    async def _replace(self, broken: ProcessPool, error: Exception) -> None:
        """Start a new pool: one breaks when a worker dies between two tasks or cannot start."""
        if self._pool is not broken:
            return
        self._breaks_in_a_row += 1
        if self._breaks_in_a_row > _MOST_BREAKS:
            raise DataError(
                "decoding: the worker processes keep ending; raise --decode-megabytes or lower --workers"
            ) from error
        self._pool = self._started()
        broken.stop()  # type: ignore[no-untyped-call]
        await asyncio.to_thread(_join, broken)

    def _started(self) -> ProcessPool:
        with interrupts_blocked():
            pool = ProcessPool(
                self._num_workers,
                initializer=image_worker.start_worker,
                initargs=[self._limits],
                # Spawned workers hold no thread or socket of this process, and the system ends them with it.
                context=self._context,
            )
            pool.active  # noqa: B018 - reading it starts the workers
        return pool


def _lost(photo: bytes) -> Examined:
    return image_worker.unexamined(photo, Reason.DECODE_LIMIT)


class DecodePool(WorkerPool[Examined]):
    """Examines photos, many at a time; use it as an async context manager."""

    def __init__(self, limits: WorkerLimits, *, workers: int, seconds: float) -> None:
        super().__init__(Work(image_worker.examine_all, _lost), limits, workers=workers, seconds=seconds)

    async def examine(self, data: bytes) -> Examined:
        """Decode and fingerprint one photo.

        A photo that takes more memory or time than allowed comes back with `Reason.DECODE_LIMIT`. Raises
        `DataError` when no worker process can be kept alive.
        """
        return await self.work_on(data)


def _join(pool: ProcessPool) -> None:
    """Wait for the end of a stopped pool.

    pebble (5.2) takes a worker that has just ended off its list in one thread while another goes through the list,
    which raises `KeyError` before the remaining workers are ended; the list is shorter the next time.
    """
    while True:
        try:
            pool.join()
        except KeyError:
            continue
        return
