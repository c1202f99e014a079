"""The stage `collect`: classes and keywords in, a catalogue of facts and a store of photos out.

`search` asks the photo sites, `targets` says what a class still needs, an engine downloads it. The classes
are worked on side by side, and each decides from what is recorded alone, so a stopped run goes on to the same
end as one that was never stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from rawlabel import plugins
from rawlabel.catalogue import Catalogue
from rawlabel.classes import read_classes
from rawlabel.collect.api import Api
from rawlabel.collect.engines import Engine, make_engine
from rawlabel.collect.http import HttpClient
from rawlabel.collect.search import ClassSearch
from rawlabel.collect.sources import Source, SourceContext
from rawlabel.collect.targets import ClassTarget, record_skipped
from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError, RawlabelError, did_you_mean
from rawlabel.files import write_json
from rawlabel.progress import Task, progress
from rawlabel.project import catalogue_path
from rawlabel.records import ClassSpec, Outcome, Photo
from rawlabel.signals import run_until_stopped

CLASSES_AT_ONCE = 8
"""Classes worked on side by side: enough to keep the downloads busy while one waits for a search."""
COMMIT_EVERY = 64
"""Outcomes in one transaction; at most this many downloads are repeated after a kill."""


def collect(config: CollectConfig, *, api_key: str | None = None) -> dict[str, int]:
    """Search and download as one resumable job; return the catalogue's counts.

    `api_key` overrides the key that a source reads from its environment variable. Everything that is done is
    on disk; the same call after an interruption goes on, and asks again for what met a passing fault.

    Raises `ClassFileError`, `ConfigError`, `SourceError`, `DataError` and `DiskError`.
    """
    addresses = _base_urls(config)
    source_types: dict[str, type[Source]] = {
        name: plugins.load(plugins.Family.SOURCE, name) for name in dict.fromkeys(config.source)
    }
    classes, until = _classes(config, source_types), frozen_until(config)
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        catalogue.plan(list(source_types), classes, until=until)
        write_json(config.project / "collect.json", config.as_json())
        run_until_stopped(_Collection(config, catalogue, source_types, addresses, api_key).run(classes))
        return catalogue.counts()


def frozen_until(config: CollectConfig) -> int:
    """Latest upload time that is searched [seconds since 1970]. Raises `ConfigError` for what is no date."""
    if config.until is None:
        today = datetime.now(UTC).date()
        day = today - timedelta(days=1)
    else:
        try:
            day = date.fromisoformat(config.until)
        except ValueError as error:
            raise ConfigError(f"--until {config.until}: is no date; write YYYY-MM-DD") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + 86_399


def _classes(config: CollectConfig, source_types: Mapping[str, type[Source]]) -> list[ClassSpec]:
    """The classes of the class file, else those that a source brings."""
    if config.classes is not None:
        return read_classes(config.classes)
    for source_type in source_types.values():
        own = source_type.classes(config)
        if own is not None:
            return own
    raise ConfigError("CLASSES: name the file of classes, for example `rawlabel collect classes.txt`")


def _base_urls(config: CollectConfig) -> dict[str, str]:
    """Address by source, `` for all; raises `ConfigError` for a source that is not searched."""
    addresses = {}
    for entry in config.base_url:
        name, equals, address = entry.partition("=")
        if not equals or "://" in name:
            name, address = "", entry
        elif name not in config.source:
            raise ConfigError(
                f"--base-url {entry}: source '{name}' is not searched{did_you_mean(name, config.source)}"
            )
        addresses[name] = address.rstrip("/")
    return addresses


class _Collection:
    """One run of the job."""

    def __init__(
        self,
        config: CollectConfig,
        catalogue: Catalogue,
        source_types: Mapping[str, type[Source]],
        addresses: Mapping[str, str],
        api_key: str | None,
    ) -> None:
        self._config, self._catalogue = config, catalogue
        self._source_types, self._addresses, self._api_key = source_types, addresses, api_key
        self._slots = asyncio.Semaphore(CLASSES_AT_ONCE)
        self._in_flight: dict[tuple[str, str], asyncio.Event] = {}

    async def run(self, classes: Sequence[ClassSpec]) -> None:
        async with HttpClient(self._config) as http:
            sources = {name: self._source(name, kind, http) for name, kind in self._source_types.items()}
            async with make_engine(self._config, http, sources) as engine:
                await self._all_classes(classes, sources, engine)
        record_skipped(self._catalogue, self._config)

    def _source(self, name: str, kind: type[Source], http: HttpClient) -> Source:
        api = Api(name, http, self._catalogue, self._config.attempts)
        address = self._addresses.get(name) or self._addresses.get("") or kind.base_url
        source = kind(SourceContext(api, self._config, address, self._api_key))
        api.limit(source.limits.calls)
        return source

    async def _all_classes(
        self, classes: Sequence[ClassSpec], sources: Mapping[str, Source], engine: Engine
    ) -> None:
        with progress("collecting", len(classes) * self._config.per_class or len(classes)) as task:
            try:
                async with asyncio.TaskGroup() as group:
                    for spec in classes:
                        group.create_task(self._one_class(spec, sources, engine, task))
            except* RawlabelError as errors:
                raise _first(errors) from None

    async def _one_class(self, spec: ClassSpec, sources: Mapping[str, Source], engine: Engine, task: Task) -> None:
        config = self._config
        async with self._slots:
            target = ClassTarget(spec.class_id, self._catalogue, config)
            search = ClassSearch(
                spec.class_id, sources, self._catalogue, wanted=config.per_class, per_keyword=config.per_keyword
            )
            shown, has_results = 0, True
            while True:
                need = target.need()
                task.advance(max(0, need.num_good - shown) if config.per_class else 0, note=spec.name)
                shown = max(shown, need.num_good)
                if need.more_results and has_results:
                    has_results = await search.next_page()
                elif need.downloads:
                    target.note_tried(need.downloads)
                    await self._download(need.downloads, engine)
                elif has_results or not target.start_over():
                    break
            task.advance(max(0, config.per_class - shown) if config.per_class else 1, note=spec.name)

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


def _first(errors: BaseExceptionGroup[RawlabelError]) -> RawlabelError:
    """The first of the errors that stopped the classes, however deep it lies."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RawlabelError)
    return error
