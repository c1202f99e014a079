"""Engines: what downloads and decodes photos. `--engine` names one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from rawlabel.config import CollectConfig
from rawlabel.gather.collect.engines.record import Record
from rawlabel.gather.collect.http.client import HttpClient
from rawlabel.gather.collect.source import Source
from rawlabel.records import Photo


class Engine(Protocol):
    """Downloads photos; an async context manager that many callers use at the same time."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def download(self, photos: Sequence[Photo], record: Record) -> None:
        """Fetch the photos and hand each one's outcome to `record`, in any order.

        Raises `SourceError` when no host answers any more, `DiskError` when the store refuses.
        """


def make_engine(config: CollectConfig, http: HttpClient, sources: Mapping[str, Source]) -> Engine:
    """The engine that the settings name. Raises `ConfigError` when it is not installed."""
    if config.engine == "ray":
        from rawlabel.gather.collect.engines.ray_engine import RayEngine

        return RayEngine(config, sources)
    from rawlabel.gather.collect.engines.fetch import LocalEngine

    return LocalEngine(config, http, sources)
