"""Downloads and decodes as tasks of a Ray cluster, with the same outcomes as the local engine.

Searching and recording stay with this process, the driver: it alone writes the catalogue, one outcome a photo.
A task that is lost with its process or machine is run again by Ray, a few times; a batch that is lost again and
again is taken apart, and a photo that alone takes its process down counts as a passing failure.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rawlabel.artifacts.image_store.local import ImageStore
from rawlabel.artifacts.image_store.project_photos import settle_store
from rawlabel.artifacts.image_store.remote import RemoteStore
from rawlabel.base.files import disk_errors
from rawlabel.base.ray_cluster import connect, import_ray
from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError
from rawlabel.gather.collect.engines.cluster_limits import LimitsKeeper
from rawlabel.gather.collect.engines.fetch import Silence
from rawlabel.gather.collect.engines.ray_worker import Batch, BatchResult, Job, fetch_batch
from rawlabel.gather.collect.engines.record import Record
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.source import Source
from rawlabel.records import Outcome, Photo, Reason, Status

if TYPE_CHECKING:
    from ray import ObjectRef

PHOTOS_IN_BATCH = 32
"""Enough that a task's own cost (milliseconds) does not count, few enough that a lost one is soon done again."""
RETRIES = 3
"""Times that Ray runs a batch again whose process or machine was lost."""
_MOST_WAITING_IN_KEEPER = 10_000


class RayEngine:
    """An async context manager that many callers use at the same time."""

    def __init__(self, config: CollectConfig, sources: Mapping[str, Source]) -> None:
        """Raises `ConfigError` when Ray is not installed, or the store is one that other processes cannot see."""
        import_ray(config.ray_address)
        if (config.store or "").startswith("memory:"):
            raise ConfigError(
                "--store memory://: is another one in each process; give --engine ray a shared store"
            )
        self._config, self._sources = config, sources
        self._store = settle_store(config.project, config.store)
        self._silence = Silence()
        self._mark: Path | None = None
        self._is_own = False

    async def __aenter__(self) -> Self:
        self._store.open_for_writing()
        place = self._store.address if isinstance(self._store, RemoteStore) else ""
        if isinstance(self._store, ImageStore):
            place = str(self._store.folder.absolute())
            self._mark = Path(place) / "unfinished" / f"shared-{uuid.uuid4().hex}"
            with disk_errors(self._mark):
                self._mark.touch()
        self._is_own = connect(self._config.ray_address, self._config.workers)
        self._start(place)
        return self

    def _start(self, place: str) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # Beside the driver, without which nothing goes on anyway; should it die, it starts again with its calls.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        keeper = ray.remote(LimitsKeeper).options(
            num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=_MOST_WAITING_IN_KEEPER,
            scheduling_strategy=here,
        )  # fmt: skip
        self._keeper: Any = keeper.remote(self._config.per_host)
        types = {name: type(source) for name, source in self._sources.items()}
        job = Job(uuid.uuid4().hex, self._config, types, place, self._mark, self._keeper)
        self._job = ray.put(job)
        self._task = ray.remote(fetch_batch)
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        # Two batches for each core: one that runs, and one that is there when it ends.
        self._window = asyncio.Semaphore(2 * int(resources.get("CPU", 0)) + 2)

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        if self._mark is not None:
            with suppress(OSError):
                self._mark.unlink()
        if self._is_own:
            ray.shutdown()
        else:
            ray.kill(self._keeper)
        if kind is None:
            # All is fetched. What a lost machine was writing would lie there until the next start.
            self._store.open_for_writing()

    async def download(self, photos: Sequence[Photo], record: Record) -> None:
        """Fetch the photos and hand each one's outcome to `record`, in any order.

        Raises `SourceError` when no host answers any more, `DiskError` when the store refuses; in a group, as
        tasks do.
        """
        async with asyncio.TaskGroup() as group:
            for batch in _batches(photos):
                await self._window.acquire()
                group.create_task(self._one(batch, record)).add_done_callback(lambda _: self._window.release())

    async def _one(self, photos: Sequence[Photo], record: Record) -> None:
        for photo in photos:
            self._silence.expect(photo)
        outcomes: dict[tuple[str, str], Outcome] = {}

        def keep(outcome: Outcome, exchange: Exchange | None) -> None:
            outcomes[outcome.source, outcome.photo_id] = outcome
            record(outcome, exchange)

        try:
            await self._fetch(photos, keep)
        finally:
            for photo in photos:
                self._silence.note(photo, outcomes.get((photo.source, photo.photo_id)))

    async def _fetch(self, photos: Sequence[Photo], record: Record) -> None:
        from ray.exceptions import RayError, RayTaskError

        bodies = [await self._sources[photo.source].read(photo) for photo in photos]
        batch = Batch(tuple(photos), {i: body for i, body in enumerate(bodies) if body is not None})
        try:
            # A photo comes alone only when its batch was lost with all its retries.
            result = await self._run(batch, retries=1 if len(photos) == 1 else RETRIES)
        except RayTaskError:
            raise
        except RayError:
            # Ray has tried it several times. Whichever photo it is, the others must not suffer from it.
            if len(photos) == 1:
                record(_lost(photos[0]), None)
                return
            for photo in photos:
                await self._fetch([photo], record)
            return
        for outcome, exchange in result.outcomes:
            record(outcome, exchange)
        if result.error is not None:
            raise result.error

    async def _run(self, batch: Batch, retries: int) -> BatchResult:
        import ray

        options = self._task.options(num_cpus=1, max_retries=retries, retry_exceptions=False)
        task: ObjectRef[BatchResult] = options.remote(self._job, batch)
        try:
            return await task
        except asyncio.CancelledError:
            ray.cancel(task)
            raise


def _batches(photos: Sequence[Photo]) -> Iterator[tuple[Photo, ...]]:
    yield from (tuple(photos[i : i + PHOTOS_IN_BATCH]) for i in range(0, len(photos), PHOTOS_IN_BATCH))


def _lost(photo: Photo) -> Outcome:
    return Outcome(
        photo.source, photo.photo_id, Status.FAILED, Reason.UNREACHABLE, attempts=1,
        detail="was lost with its worker process, several times",
    )  # fmt: skip
