"""Download what a manifest promises, and let nothing else stay."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.stored_files import stored_files
from rawlabel.base import families
from rawlabel.base.files import disk_errors
from rawlabel.base.progress import Task, progress
from rawlabel.config import CollectConfig
from rawlabel.errors import RawlabelError, SourceError, first_error
from rawlabel.gather.collect.engines.engine import Engine, make_engine
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.api import Api
from rawlabel.gather.collect.http.client import HttpClient
from rawlabel.gather.collect.http.refusals import Refusals
from rawlabel.gather.collect.source import Page, Search, SearchLimits, Source, SourceContext
from rawlabel.gather.collect.waiting import telling_waits
from rawlabel.manifests.rebuild.comparison import Likeness, Promise, likeness
from rawlabel.records import Outcome, Reason, Status

COMMIT_EVERY = 64
"""Outcomes in one transaction; at most this many downloads are repeated after a kill."""
_OBJECT = re.compile(r"[0-9a-f]{64}\.[a-z]+")
Promises = Mapping[tuple[str, str], Promise]


async def download(
    config: CollectConfig, catalogue: Catalogue, wanted: Iterable[Promises], names: Iterable[str], total: int
) -> None:
    """Download each photo that has no final outcome yet, batch by batch.

    `names` are those of the photos' sources. Raises `SourceError` and `DiskError`.
    """
    refusals = Refusals()
    async with HttpClient(config) as http:
        sources = _sources(names, config, http, catalogue)
        async with make_engine(config, http, sources) as engine:
            with progress("rebuilding", total) as task:
                async with telling_waits(task, http):
                    for promises in wanted:
                        try:
                            await _download_some(promises, catalogue, engine, refusals, task)
                        except* RawlabelError as errors:
                            raise first_error(errors) from None


async def _download_some(
    promises: Promises, catalogue: Catalogue, engine: Engine, refusals: Refusals, task: Task
) -> None:
    outcomes = catalogue.outcomes(list(promises))
    open_keys = [key for key, one in promises.items() if likeness(one, outcomes.get(key)) is Likeness.PENDING]
    task.advance(len(promises) - len(open_keys))
    fresh: list[Outcome] = []

    def record(outcome: Outcome, exchange: Exchange | None) -> None:
        promise = promises[outcome.source, outcome.photo_id]
        fresh.extend(refusals.judged(_compared(outcome, promise), promise.url, exchange))
        task.advance()
        if len(fresh) >= COMMIT_EVERY:
            commit()

    def commit() -> None:
        done, fresh[:] = list(fresh), []
        catalogue.record_outcomes(done)

    try:
        await engine.download(catalogue.photos(open_keys), record)
    finally:
        commit()


def _compared(outcome: Outcome, promise: Promise) -> Outcome:
    """A picture that is not the promised one counts as failed, so that no later stage takes it for the photo."""
    if outcome.status is not Status.FETCHED or promise.compare(outcome) is not Likeness.CHANGED:
        return outcome
    return replace(outcome, status=Status.FAILED, reason=Reason.CHANGED, stored_sha256=None)


def delete_changed_pictures(project: Path, catalogue: Catalogue) -> None:
    """Delete the stored pictures that belong to no photo: those that were not what was promised.

    Raises `DiskError`.
    """
    for file in stored_files(project, catalogue):
        if file.wanted is None and _OBJECT.fullmatch(file.path.name) and not file.path.is_symlink():
            with disk_errors(file.path):
                file.path.unlink()


def _sources(
    names: Iterable[str], config: CollectConfig, http: HttpClient, catalogue: Catalogue
) -> dict[str, Source]:
    def context(name: str, address: str) -> SourceContext:
        # No API is asked, so no key is needed; a source that wants one is content with any.
        return SourceContext(Api(name, http, catalogue, config.attempts), config, address, "none")

    return {name: _ByAddress(context(name, "")) for name in names}


@cache
def _source_types() -> list[type[Source]]:
    return [families.load(families.Family.SOURCE, name) for name in families.names(families.Family.SOURCE)]


class _ByAddress(Source):
    """Photos of which nothing but the address is known; the placeholders of all sites are known ones."""

    base_url = ""
    terms = ""
    limits = SearchLimits(1)

    async def search(self, search: Search) -> Page:
        raise SourceError(f"{search.keyword}: a rebuild searches nothing")

    @classmethod
    def is_placeholder(cls, final_url: str) -> bool:
        return any(kind.is_placeholder(final_url) for kind in _source_types())
