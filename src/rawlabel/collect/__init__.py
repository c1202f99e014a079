"""The stage `collect`: classes and keywords in, a catalogue of facts and a store of photos out.

`search` asks the photo sites, `targets` says what a class still needs, an engine downloads it. The classes
are worked on side by side, and each decides from what is recorded alone, so a stopped run goes on to the same
end as one that was never stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from rawlabel.catalogue import Catalogue
from rawlabel.classes.warnings import find_shared_keywords
from rawlabel.collect.engines import Engine, make_engine
from rawlabel.collect.session import Session, requested_classes, requested_sources
from rawlabel.collect.sources import Source
from rawlabel.collect.targets import ClassTarget, record_skipped
from rawlabel.config import CollectConfig
from rawlabel.errors import RawlabelError, first_error
from rawlabel.files import write_json
from rawlabel.progress import Task, note, progress
from rawlabel.project import catalogue_path
from rawlabel.records import ClassSpec, Outcome, Photo
from rawlabel.signals import run_until_stopped

CLASSES_AT_ONCE = 8
"""Classes worked on side by side: enough to keep the downloads busy while one waits for a search."""
_MOST_TOLD = 3
"""Shared keywords that are named one by one."""
COMMIT_EVERY = 64
"""Outcomes in one transaction; at most this many downloads are repeated after a kill."""


def collect(config: CollectConfig, *, api_key: str | None = None) -> dict[str, int]:
    """Search and download as one resumable job; return the catalogue's counts.

    `api_key` overrides the key that a source reads from its environment variable. Everything that is done is
    on disk; the same call after an interruption goes on, and asks again for what met a passing fault.

    Raises `ClassFileError`, `ConfigError`, `SourceError`, `DataError` and `DiskError`.
    """
    source_types = requested_sources(config)
    classes = requested_classes(config, source_types)
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        session = Session(config, catalogue, source_types, api_key)
        catalogue.plan(list(source_types), classes, until=session.until)
        write_json(config.project / "collect.json", config.as_json())
        _tell_shared_keywords(classes, source_types.values())
        run_until_stopped(_Collection(config, catalogue, session).run(classes))
        record_skipped(catalogue, config)
        return catalogue.counts()


def _tell_shared_keywords(classes: Sequence[ClassSpec], source_types: Iterable[type[Source]]) -> None:
    """Warn of searches that bring the same photos under several classes; files are told apart by name."""
    if not any(kind.base_url for kind in source_types):
        return
    warnings = find_shared_keywords(classes)
    for warning in warnings[:_MOST_TOLD]:
        note(warning.message)
    if len(warnings) > _MOST_TOLD:
        note(f"{len(warnings) - _MOST_TOLD} more keywords are shared by classes; `rawlabel plan` lists them")


class _Collection:
    """One run of the job."""

    def __init__(self, config: CollectConfig, catalogue: Catalogue, session: Session) -> None:
        self._config, self._catalogue, self._session = config, catalogue, session
        self._slots = asyncio.Semaphore(CLASSES_AT_ONCE)
        self._in_flight: dict[tuple[str, str], asyncio.Event] = {}

    async def run(self, classes: Sequence[ClassSpec]) -> None:
        """Work on all classes until each has what it needs."""
        total = len(classes) * self._config.per_class or len(classes)
        async with self._session, make_engine(self._config, self._session.http, self._session.readers) as engine:
            with progress("collecting", total) as task:
                self._session.hear_waits(
                    lambda source, seconds: task.advance(
                        0, f"{source}: waits {seconds / 60:.0f} min for its quota"
                    )
                )
                try:
                    async with asyncio.TaskGroup() as group:
                        for spec in classes:
                            group.create_task(self._one_class(spec, engine, task))
                except* RawlabelError as errors:
                    raise first_error(errors) from None

    async def _one_class(self, spec: ClassSpec, engine: Engine, task: Task) -> None:
        wanted = self._config.per_class
        async with self._slots:
            target = ClassTarget(spec.class_id, self._catalogue, self._config)
            search = self._session.search(spec.class_id)
            shown, has_results = 0, True
            while True:
                need = target.need()
                task.advance(max(0, need.num_good - shown) if wanted else 0, note=spec.name)
                shown = max(shown, need.num_good)
                if need.more_results and has_results:
                    has_results = await search.next_page()
                elif need.downloads:
                    target.note_tried(need.downloads)
                    await self._download(need.downloads, engine)
                elif has_results or not target.start_over():
                    break
            task.advance(max(0, wanted - shown) if wanted else 1, note=spec.name)

    async def _download(self, photos: Sequence[Photo], engine: Engine) -> None:
        """Download and record the photos; those that another class is downloading just now are waited for."""
        awaited = [event for photo in photos if (event := self._in_flight.get((photo.source, photo.photo_id)))]
        mine = {key: photo for photo in photos if (key := (photo.source, photo.photo_id)) not in self._in_flight}
        recorded = asyncio.Event()
        self._in_flight |= dict.fromkeys(mine, recorded)
        outcomes: list[Outcome] = []

        def record(outcome: Outcome) -> None:
            outcomes.append(outcome)
            if len(outcomes) >= COMMIT_EVERY:
                self._commit(outcomes)

        try:
            await engine.download(list(mine.values()), record)
        finally:
            self._commit(outcomes)
            recorded.set()
            for key in mine:
                del self._in_flight[key]
        for event in awaited:
            await event.wait()

    def _commit(self, outcomes: list[Outcome]) -> None:
        done, outcomes[:] = list(outcomes), []
        self._catalogue.record_outcomes(done)
