"""The stage `collect`: classes and keywords in, a catalogue of facts and a store of photos out.

`search` asks the photo sites, `targets` says what a class still needs, an engine downloads it. The classes
are worked on side by side, and each decides from what is recorded alone, so a stopped run goes on to the same
end as one that was never stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base.files import write_json
from rawlabel.base.progress import Task, note, progress
from rawlabel.base.signals import run_until_stopped
from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError, RawlabelError, first_error
from rawlabel.gather.classes.warnings import find_shared_keywords
from rawlabel.gather.collect.engines.engine import Engine, make_engine
from rawlabel.gather.collect.expectation import Expectation
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.refusals import REFUSALS_TO_GIVE_UP, RUNS_TO_GIVE_UP, Refusals
from rawlabel.gather.collect.search import MOST_REPEATS
from rawlabel.gather.collect.self_check import require_known_form
from rawlabel.gather.collect.session import Session, requested_classes, requested_sources
from rawlabel.gather.collect.source import Page, Source
from rawlabel.gather.collect.targets import ClassTarget, record_skipped
from rawlabel.records import ClassSpec, Outcome, Photo, Reason, Status

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
    require_contact(config, source_types)
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        session = Session(config, catalogue, source_types, api_key)
        catalogue.plan(list(source_types), classes, until=session.until)
        write_json(config.project / "collect.json", config.as_json())
        _tell_shared_keywords(classes, source_types.values())
        collection = _Collection(config, catalogue, session)
        run_until_stopped(collection.run(classes))
        record_skipped(catalogue, config)
        catalogue.conclude_searches(MOST_REPEATS)
        _give_up_hosts(catalogue, collection.refusals)
        return catalogue.counts()


def _give_up_hosts(catalogue: Catalogue, refusals: Refusals) -> None:
    """Record as refused for good, at the end of a run, what lies at hosts that refused everything in several."""
    for host in refusals.hosts_that_serve():
        catalogue.note_served(host)
    for host, count in refusals.refused_by_host().items():
        runs, total = catalogue.note_refused(host, count)
        if runs < RUNS_TO_GIVE_UP or total < REFUSALS_TO_GIVE_UP:
            continue
        detail = f"its host refused all of {total} requests in {runs} runs"
        given_up = [
            Outcome(photo.source, photo.photo_id, Status.FAILED, Reason.FORBIDDEN, attempts=0, detail=detail)
            for photo in catalogue.pending_at(host)
        ]
        catalogue.record_outcomes(given_up)
        note(f"{host}: refused all of {total} requests in {runs} runs; is not asked again")


def require_contact(config: CollectConfig, source_types: Mapping[str, type[Source]]) -> None:
    """Raise `ConfigError` where a site wants to know whom it answers and would let the run crawl."""
    for name, kind in source_types.items():
        if kind.wants_contact and not config.contact:
            raise ConfigError(
                f"--contact: {name} asks for your e-mail or web address in the user agent, and throttles whoever "
                "gives none; for example --contact you@example.org"
            )


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
        self.refusals = Refusals()
        """What hosts refused in this run."""
        self._in_flight: dict[tuple[str, str], asyncio.Event] = {}
        self._outcomes: list[Outcome] = []
        """Not yet recorded, of all classes in one order: a photo's later outcome takes the place of an earlier."""
        self._expectation = Expectation(len(catalogue.classes()), config.per_class)

    async def run(self, classes: Sequence[ClassSpec]) -> None:
        """Work on all classes until each has what it needs."""
        async with self._session, make_engine(self._config, self._session.http, self._session.readers) as engine:
            # Without downloads there are no good photos to count; classes are.
            total = len(classes) if self._config.search_only else self._expectation.total
            with progress("searching" if self._config.search_only else "collecting", total) as task:
                async with self._session.telling(task):
                    await self._check_sources()
                    try:
                        async with asyncio.TaskGroup() as group:
                            for spec in classes:
                                group.create_task(self._one_class(spec, engine, task))
                    except* RawlabelError as errors:
                        raise first_error(errors) from None

    async def _check_sources(self) -> None:
        """Let the very first page of each site's searches show that the site answers as its client expects."""
        queries = self._catalogue.queries()
        for name, source in self._session.sources.items():
            first = next((one for one in queries if one.source == name), None)
            if type(source).base_url and first is not None:
                await self._session.search(first.class_id).ask_first(first, self._verify)

    async def _verify(self, source: Source, page: Page) -> None:
        name = next(name for name, one in self._session.sources.items() if one is source)
        await require_known_form(source, name, page, needs_addresses=not self._config.search_only)

    async def _one_class(self, spec: ClassSpec, engine: Engine, task: Task) -> None:
        async with self._slots:
            target = ClassTarget(spec.class_id, self._catalogue, self._config)
            search = self._session.search(spec.class_id)
            shown = _Shown(spec, self._expectation, task, self._config)
            has_results = True
            while True:
                need = target.need()
                shown.note(need.num_good, search.num_stated)
                if need.more_results and has_results:
                    has_results = await search.next_page()
                elif need.downloads:
                    target.note_tried(need.downloads)
                    shown.note_fetched(await self._download(need.downloads, engine))
                elif has_results or not target.start_over():
                    break
                else:
                    shown.start_over()
            shown.conclude()

    async def _download(self, photos: Sequence[Photo], engine: Engine) -> int:
        """Download and record the photos; those that another class is downloading just now are waited for.

        Returns how many were fetched.
        """
        awaited = [event for photo in photos if (event := self._in_flight.get((photo.source, photo.photo_id)))]
        mine = {key: photo for photo in photos if (key := (photo.source, photo.photo_id)) not in self._in_flight}
        recorded = asyncio.Event()
        self._in_flight |= dict.fromkeys(mine, recorded)
        num_fetched = 0

        def record(outcome: Outcome, exchange: Exchange | None) -> None:
            nonlocal num_fetched
            num_fetched += outcome.status is Status.FETCHED
            photo = mine[outcome.source, outcome.photo_id]
            self._outcomes.extend(self.refusals.judged(outcome, photo.url, exchange))
            if len(self._outcomes) >= COMMIT_EVERY:
                self._commit()

        try:
            await engine.download(list(mine.values()), record)
        finally:
            self._commit()
            recorded.set()
            for key in mine:
                del self._in_flight[key]
        for event in awaited:
            await event.wait()
        return num_fetched

    def _commit(self) -> None:
        done, self._outcomes = self._outcomes, []
        self._catalogue.record_outcomes(done)


class _Shown:
    """What of one class the progress shows."""

    def __init__(self, spec: ClassSpec, expectation: Expectation, task: Task, config: CollectConfig) -> None:
        self._spec, self._expectation, self._task = spec, expectation, task
        self._is_target, self._is_search = config.per_class > 0, config.search_only
        self._shown = self._fetched = 0
        self._is_first_walk = True

    def note(self, num_good: int, num_stated: int | None) -> None:
        """So many good photos were met, and the sites state so many results."""
        # Where all are wanted, what this run fetches is met only by the next walk.
        if self._is_search:
            self._task.advance(0, note=self._spec.name)
            return
        good = num_good if self._is_target else num_good + self._fetched if self._is_first_walk else self._shown
        self._expectation.note(self._spec.class_id, num_stated)
        self._advance(good)

    def note_fetched(self, num_fetched: int) -> None:
        self._fetched += num_fetched

    def start_over(self) -> None:
        self._is_first_walk = False

    def conclude(self) -> None:
        if self._is_search:
            self._task.advance(1, note=self._spec.name)
            return
        self._expectation.conclude(self._spec.class_id, self._shown)
        self._advance(self._shown)

    def _advance(self, good: int) -> None:
        fresh, self._shown = max(0, good - self._shown), max(good, self._shown)
        self._task.total = max(self._expectation.total, self._task.done + fresh)
        self._task.advance(fresh, note=self._spec.name)
