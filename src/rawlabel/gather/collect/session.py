"""What planning and collecting share: the classes and sources asked for, and the connections to the sources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Self

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.base import families
from rawlabel.base.progress import Task
from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError, SourceError, did_you_mean
from rawlabel.gather.classes.reading import read_classes
from rawlabel.gather.collect.http.api import Api
from rawlabel.gather.collect.http.client import HttpClient
from rawlabel.gather.collect.search import ClassSearch
from rawlabel.gather.collect.source import Source, SourceContext
from rawlabel.gather.collect.waiting import duration, telling_waits
from rawlabel.records import ClassSpec


def requested_sources(config: CollectConfig) -> dict[str, type[Source]]:
    """The sources to search, by name. Raises `PluginError` for an unknown one."""
    return {name: families.load(families.Family.SOURCE, name) for name in dict.fromkeys(config.source)}


def requested_classes(config: CollectConfig, source_types: Mapping[str, type[Source]]) -> list[ClassSpec]:
    """The classes of the class file, else those that a source brings. Raises `ClassFileError`, `ConfigError`."""
    if config.classes is not None:
        return read_classes(config.classes)
    for source_type in source_types.values():
        own = source_type.classes(config)
        if own is not None:
            return own
    raise ConfigError("CLASSES: name the file of classes, for example `rawlabel collect classes.txt`")


class Session:
    """The sources, connected; an async context manager."""

    def __init__(
        self,
        config: CollectConfig,
        catalogue: Catalogue,
        source_types: Mapping[str, type[Source]],
        api_key: str | None,
        *,
        is_lenient: bool = False,
    ) -> None:
        """Raises `ConfigError` for an address that belongs to no source, `SourceError` for an absent key.

        With `is_lenient` a source that cannot be asked is left out, and `unavailable` says why.
        """
        self.until = _frozen_until(config)
        self.http = HttpClient(config)
        self._config, self._catalogue = config, catalogue
        addresses = _base_urls(config)
        self._apis: dict[str, Api] = {}
        self.sources: dict[str, Source] = {}
        self.unavailable: dict[str, str] = {}
        """Why a source cannot be asked, by name."""
        self.readers: Mapping[str, Source] = _Readers(self.sources)
        """Which source says how a photo is read, by the name of the source that found the photo first."""
        for name, kind in source_types.items():
            api = self._apis[name] = Api(name, self.http, catalogue, config.attempts)
            address = addresses.get(name) or addresses.get("") or kind.base_url
            address = address.removesuffix(kind.search_path)
            try:
                source = self.sources[name] = kind(SourceContext(api, config, address, api_key))
            except SourceError as error:
                if not is_lenient:
                    raise
                self.unavailable[name] = str(error).removeprefix(f"{name}: ")
                continue
            api.limit(((config.calls_per_hour, 3600.0),) if config.calls_per_hour else source.limits.calls)

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, value, trace)

    def search(self, class_id: str) -> ClassSearch:
        """The searches for the class of this id, at all sources, for as many photos as the settings ask for."""
        return ClassSearch(
            class_id,
            self.sources,
            self._catalogue,
            wanted=self._config.per_class,
            per_keyword=self._config.per_keyword,
        )

    @asynccontextmanager
    async def telling(self, task: Task) -> AsyncIterator[None]:
        """Say on `task`, while the block runs, what is waited for: a source's quota, or a host that throttles.

        However long nothing is done, something is said.
        """
        for name, api in self._apis.items():
            api.notify = lambda seconds, name=name: task.tell_wait(
                name, f"waits {duration(seconds)} for its quota"
            )
        async with telling_waits(task, self.http):
            yield


class _Readers(Mapping[str, Source]):
    """The sources themselves, and for photos of other sources the one that brought them."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def __getitem__(self, name: str) -> Source:
        if name in self._sources:
            return self._sources[name]
        return next(source for source in self._sources.values() if source.is_relay)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def _frozen_until(config: CollectConfig) -> int:
    """Latest upload time that is searched [seconds since 1970]; raises `ConfigError` for what is no date."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    if config.until is not None:
        try:
            day = date.fromisoformat(config.until)
        except ValueError as error:
            raise ConfigError(f"--until {config.until}: is no date; write it like 2026-11-24") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + 86_399


def _base_urls(config: CollectConfig) -> dict[str, str]:
    """Address by source, `` for all; raises `ConfigError` for a source that is not searched."""
    addresses = {}
    for entry in config.base_url:
        name, equals, address = entry.partition("=")
        if not equals or "://" in name:
            name, address = "", entry
        elif name not in config.source:
            known = did_you_mean(name, config.source)
            raise ConfigError(f"--base-url {entry}: source '{name}' is not searched{known}")
        addresses[name] = address.rstrip("/")
    return addresses
