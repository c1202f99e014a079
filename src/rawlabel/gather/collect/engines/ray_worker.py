"""What runs in Ray's worker processes: a batch of photos, fetched as the local engine fetches them.

A worker process keeps its connections, its decoding process and its threads from one batch to the next.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rawlabel.artifacts.image_store.project_photos import open_store
from rawlabel.config import CollectConfig
from rawlabel.errors import DiskError, RawlabelError, first_error
from rawlabel.gather.collect.engines.cluster_limits import ClusterLimits
from rawlabel.gather.collect.engines.decode_pool import DecodePool
from rawlabel.gather.collect.engines.fetch import Tools, fetch_photo
from rawlabel.gather.collect.engines.image_worker import WorkerLimits
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.client import HttpClient
from rawlabel.gather.collect.source import Source
from rawlabel.records import Outcome, Photo

WRITERS = 8
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """What all batches of a run share. No API key is among it: searching stays with the driver."""

    name: str
    config: CollectConfig
    sources: Mapping[str, type[Source]]
    store: str
    mark: Path | None
    """A file in the store which shows that this machine has the driver's folder; None for a remote store."""
    keeper: Any
    """Handle of the `LimitsKeeper`."""


@dataclass(frozen=True)
class Batch:
    """Photos, and the bytes of those that their source has itself, by their place among them."""

    photos: tuple[Photo, ...]
    bodies: Mapping[int, bytes]


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch; with an error that ends the run, the outcomes until then."""

    outcomes: list[tuple[Outcome, Exchange | None]]
    error: RawlabelError | None = None


def fetch_batch(job: Job, batch: Batch) -> BatchResult:
    """The Ray task. It may be run again from the start: the store has each object once, whoever puts it there."""
    try:
        return _worker_for(job).fetch(batch)
    except RawlabelError as error:
        return BatchResult([], error)


@dataclass(frozen=True)
class _Origin:
    """Stands for a photo's source, which is with the driver."""

    source: type[Source]
    body: bytes | None

    async def read(self, photo: Photo) -> bytes | None:
        return self.body

    def is_placeholder(self, final_url: str) -> bool:
        return self.source.is_placeholder(final_url)


class _Worker:
    """An event loop in a thread of its own, so that it outlives the task that made it."""

    def __init__(self, job: Job) -> None:
        if job.mark is not None and not job.mark.exists():
            raise DiskError(
                f"{job.store}: is not the same folder on every machine of the cluster; give --store a shared "
                "folder or an address such as s3://bucket/photos"
            )
        self.job = job
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._tools, self._limits = self._run(self._open())

    def fetch(self, batch: Batch) -> BatchResult:
        return self._run(self._fetch(batch))

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # Ray cancels a task by interrupting this thread.
            future.cancel()
            raise

    async def _open(self) -> tuple[Tools, ClusterLimits]:
        config = self.job.config
        limits = ClusterLimits(_asking(self.job.keeper))
        http = await HttpClient(config, limits).__aenter__()
        # This process might decode by itself, being expendable too, but the limit of memory would bind Ray's own
        # part of it, and a photo that breaks it would cost a batch. There is such a process for each core.
        decoder = DecodePool(
            WorkerLimits(config.decode_megabytes, config.max_megapixels, config.resize),
            workers=1,
            seconds=config.decode_seconds,
        )
        await decoder.__aenter__()
        return Tools(http, decoder, open_store(self.job.store), ThreadPoolExecutor(WRITERS)), limits

    async def _close(self) -> None:
        await self._limits.close()
        await self._tools.http.__aexit__(None, None, None)
        await self._tools.decoder.__aexit__(None, None, None)
        self._tools.writers.shutdown(cancel_futures=True)

    async def _fetch(self, batch: Batch) -> BatchResult:
        outcomes: list[tuple[Outcome, Exchange | None]] = []

        async def one(place: int, photo: Photo) -> None:
            origin = _Origin(self.job.sources[photo.source], batch.bodies.get(place))
            outcomes.append(await fetch_photo(photo, origin, self._tools))

        error: RawlabelError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for place, photo in enumerate(batch.photos):
                    group.create_task(one(place, photo))
        except* RawlabelError as errors:
            error = first_error(errors)
        return BatchResult(outcomes, error)


def _asking(keeper: Any) -> Any:
    """How `ClusterLimits` calls the actor."""
    from ray.exceptions import RayActorError

    async def call(method: str, *arguments: Any) -> Any:
        try:
            return await getattr(keeper, method).remote(*arguments)
        except RayActorError as error:
            raise ConnectionError from error

    return call


_current: _Worker | None = None


def _worker_for(job: Job) -> _Worker:
    global _current
    if _current is None or _current.job.name != job.name:
        if _current is not None:
            _current.close()
        _current = _Worker(job)
    return _current
