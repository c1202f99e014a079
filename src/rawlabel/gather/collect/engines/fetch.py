"""Fetch photos: bytes from the photo's host or its source, decoded and fingerprinted, into the image store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from rawlabel.artifacts.image_check import Decoded
from rawlabel.artifacts.image_store.project_photos import Store, settle_store
from rawlabel.config import CollectConfig
from rawlabel.errors import SourceError
from rawlabel.gather.collect.engines.decode_pool import DecodePool
from rawlabel.gather.collect.engines.image_worker import Examined, WorkerLimits
from rawlabel.gather.collect.engines.record import Record
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.client import HttpClient, Response
from rawlabel.gather.collect.reading.commons_sizes import NOT_KEPT_STATUSES, addresses_in_turn
from rawlabel.gather.collect.source import Source
from rawlabel.records import Outcome, Photo, Reason, Status

WRITERS = 16
"""Threads that write files; nearly all of their time is spent waiting for the disk."""
OWN_AT_ONCE = 32
"""Photos whose bytes the source has itself that are read and decoded at the same time."""
PHOTOS_PER_SLOT = 8
"""Photos that may wait for their hosts, for each download slot: one slow host must not hold up the others."""
MOST_FAILURES_IN_A_ROW = 40
"""So many photos without one answer from any host mean that the network or the host is away."""
_NO_ANSWER = (Reason.UNREACHABLE, Reason.TIMEOUT)


class Origin(Protocol):
    """What fetching asks of a photo's source."""

    async def read(self, photo: Photo) -> bytes | None:
        """The photo's bytes where the source has them itself; None when they are to be downloaded."""
        ...

    def is_placeholder(self, final_url: str) -> bool:
        """Whether this address serves a 'photo unavailable' picture."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What fetching one photo takes."""

    http: HttpClient
    decoder: DecodePool
    store: Store
    writers: ThreadPoolExecutor
    readers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OWN_AT_ONCE))


async def fetch_photo(photo: Photo, source: Origin, tools: Tools) -> tuple[Outcome, Exchange | None]:
    """Fetch one photo and say what became of it and when its host was asked for it, if one was.

    When it is FETCHED, its bytes are on the disk.

    Raises `DiskError` when the store refuses, `DataError` when nothing can be decoded any more.
    """
    outcome = Outcome(photo.source, photo.photo_id, Status.FAILED)
    async with tools.readers:
        body = await source.read(photo)
        if body is not None:
            return await _kept(outcome, body, None, tools), None
    if photo.url is None:
        return replace(outcome, reason=Reason.NO_URL), None
    response = await _asked_in_turn(photo.url, tools.http)
    outcome = _noted(outcome, response, photo.url)
    if outcome.reason is None and source.is_placeholder(response.final_url):
        outcome = replace(outcome, reason=Reason.PLACEHOLDER)
    if outcome.reason is not None:
        return outcome, response.exchange
    with tools.http.holding(len(response.body)):
        return await _kept(outcome, response.body, response.stated_size, tools), response.exchange


async def _kept(outcome: Outcome, body: bytes, stated_size: tuple[int, int] | None, tools: Tools) -> Outcome:
    """Decode a photo, and store it unless something is wrong with it."""
    examined = await tools.decoder.examine(body)
    outcome = _measured(outcome, body, examined, stated_size)
    if outcome.reason is not None:
        return outcome
    stored = body if examined.resized is None else examined.resized
    loop = asyncio.get_running_loop()
    digest, media_type = await loop.run_in_executor(tools.writers, tools.store.put, stored)
    return replace(outcome, status=Status.FETCHED, stored_sha256=digest, media_type=media_type)


async def _asked_in_turn(url: str, http: HttpClient) -> Response:
    """What comes of an address; where the host does not keep that size of the file, of another size."""
    *first, last = addresses_in_turn(url)
    attempts = 0
    for address in first:
        response = await http.get(address, image=True)
        attempts += response.attempts
        if response.http_status not in NOT_KEPT_STATUSES:
            return replace(response, attempts=attempts)
    response = await http.get(last, image=True)
    return replace(response, attempts=attempts + response.attempts)


def _noted(outcome: Outcome, response: Response, url: str) -> Outcome:
    """What the host answered."""
    was_led_on = bool(response.redirects) or response.final_url != url.partition("?")[0].partition("#")[0]
    return replace(
        outcome,
        reason=response.failure,
        http_status=response.http_status,
        final_url=response.final_url or None if was_led_on else None,
        etag=response.etag,
        last_modified=response.last_modified,
        detail=response.detail or None,
        attempts=response.attempts,
    )


def _measured(outcome: Outcome, body: bytes, examined: Examined, stated_size: tuple[int, int] | None) -> Outcome:
    """What decoding found."""
    decoded: Decoded = examined.decoded
    reason, detail = decoded.reason, outcome.detail
    if reason is None and stated_size and sorted(stated_size) != sorted((decoded.width or 0, decoded.height or 0)):
        # Flickr's image host sends no length, but the size that the whole picture has.
        reason, detail = Reason.TRUNCATED, "has not the size that its host states"
    return replace(
        outcome,
        reason=reason,
        detail=detail,
        sha256=examined.sha256,
        num_bytes=len(body),
        pixel_sha256=decoded.pixel_sha256,
        perceptual_hash=decoded.perceptual_hash,
        width=decoded.width,
        height=decoded.height,
    )


class LocalEngine:
    """Downloads and decodes on this machine; an async context manager that many callers use at the same time."""

    def __init__(self, config: CollectConfig, http: HttpClient, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._store = settle_store(config.project, config.store)
        limits = WorkerLimits(config.decode_megabytes, config.max_megapixels, config.resize)
        decoder = DecodePool(limits, workers=config.workers, seconds=config.decode_seconds)
        self._tools = Tools(http, decoder, self._store, ThreadPoolExecutor(WRITERS, thread_name_prefix="write"))
        self._window = asyncio.Semaphore(config.concurrency * PHOTOS_PER_SLOT)
        self._silence = Silence()

    async def __aenter__(self) -> Self:
        self._store.open_for_writing()
        await self._tools.decoder.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tools.decoder.__aexit__(kind, value, trace)
        self._tools.writers.shutdown(cancel_futures=True)

    async def download(self, photos: Sequence[Photo], record: Record) -> None:
        """Fetch the photos and hand each one's outcome to `record`, in any order.

        However many there are, only so many are in memory as can be under way. Raises `SourceError` when no host
        answers any more, `DiskError` when the store refuses; in a group, as tasks do.
        """
        async with asyncio.TaskGroup() as group:
            for photo in photos:
                await self._window.acquire()
                group.create_task(self._one(photo, record)).add_done_callback(lambda _: self._window.release())

    async def _one(self, photo: Photo, record: Record) -> None:
        self._silence.expect(photo)
        outcome = None
        try:
            outcome, exchange = await fetch_photo(photo, self._sources[photo.source], self._tools)
            record(outcome, exchange)
        finally:
            self._silence.note(photo, outcome)


class Silence:
    """Tells a network that is away from single hosts that are."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._answered: set[str] = set()
        self._silent: set[str] = set()
        self._in_a_row = 0

    def expect(self, photo: Photo) -> None:
        """Note that `photo` is now asked for, so that its host has one more download under way."""
        self._under_way[_host(photo)] += 1

    def note(self, photo: Photo, outcome: Outcome | None) -> None:
        """Raises `SourceError` when nothing answers any more: no host that did, and none that is being asked."""
        host = _host(photo)
        self._under_way[host] -= 1
        if not self._under_way[host]:
            del self._under_way[host]
        if outcome is None:
            return
        if outcome.reason not in _NO_ANSWER or outcome.http_status is not None:
            # One of them is enough to remember: what counts is whether any host still answers.
            self._answered, self._silent, self._in_a_row = {host}, set(), 0
            return
        self._in_a_row += 1
        self._silent.add(host)
        if self._in_a_row >= MOST_FAILURES_IN_A_ROW and self._silent >= self._answered | set(self._under_way):
            raise SourceError(f"{host}: the image host stopped answering; run the same command again later")


def _host(photo: Photo) -> str:
    try:
        return urlsplit(photo.url or "").netloc.rpartition("@")[2]
    except ValueError:
        return ""
