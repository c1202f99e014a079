"""Fetch the photos' bytes: many requests at a time, one writer of the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from rawlabel.catalogue import Catalogue
from rawlabel.collect.http import HttpClient
from rawlabel.collect.sources import Source
from rawlabel.config import CollectConfig
from rawlabel.errors import RawlabelError, SourceError
from rawlabel.image_store import ImageStore
from rawlabel.progress import Task, progress
from rawlabel.records import Outcome, Photo, Reason, Status

COMMIT_EVERY = 32
"""Outcomes in one transaction; at most this many downloads are repeated after a kill."""
MOST_FAILURES_IN_A_ROW = 40
"""So many photos without one answer mean that the image host is away, not that the photos are."""


async def download_photos(
    source: Source, http: HttpClient, catalogue: Catalogue, store: ImageStore, config: CollectConfig
) -> None:
    """Fetch every photo that is still to be had and record its outcome.

    Raises `SourceError` when the image host stops answering, `DiskError` when the disk refuses.
    """
    photos = catalogue.pending()
    total = catalogue.counts()["photos"]
    queue = iter(photos)
    batch = _Batch(catalogue)
    with progress("downloading", total, done=total - len(photos)) as task:
        workers = [_worker(queue, source, http, store, batch, task) for _ in range(config.concurrency)]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker)
        except* RawlabelError as errors:
            raise errors.exceptions[0] from None
        finally:
            batch.commit()


class _Batch:
    """Outcomes on their way into the catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._outcomes: list[Outcome] = []
        self._failures_in_a_row = 0

    def add(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        no_answer = outcome.reason in (Reason.HTTP_ERROR, Reason.TIMEOUT) and outcome.http_status is None
        self._failures_in_a_row = self._failures_in_a_row + 1 if no_answer else 0
        if len(self._outcomes) >= COMMIT_EVERY:
            self.commit()
        if self._failures_in_a_row >= MOST_FAILURES_IN_A_ROW:
            raise SourceError(
                f"{outcome.final_url}: the image host stopped answering; run the same command again later"
            )

    def commit(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        self._catalogue.record_outcomes(outcomes)


async def _worker(
    queue: Iterator[Photo], source: Source, http: HttpClient, store: ImageStore, batch: _Batch, task: Task
) -> None:
    for photo in queue:
        outcome = await _download_one(photo, source, http, store)
        batch.add(outcome)
        task.advance()


async def _download_one(photo: Photo, source: Source, http: HttpClient, store: ImageStore) -> Outcome:
    if photo.url is None:
        return Outcome(photo.source, photo.photo_id, Status.FAILED, Reason.NO_URL)
    response = await http.get(photo.url)
    outcome = Outcome(
        photo.source,
        photo.photo_id,
        Status.FAILED,
        reason=response.failure,
        http_status=response.http_status,
        final_url=response.final_url,
    )
    if response.failure is not None:
        return outcome
    if source.is_placeholder(response.final_url):
        return replace(outcome, reason=Reason.PLACEHOLDER)
    # Writing waits for the disk, so it must not hold up the other downloads.
    digest, media_type = await asyncio.to_thread(store.put, response.body)
    return replace(
        outcome,
        status=Status.FETCHED,
        sha256=digest,
        num_bytes=len(response.body),
        media_type=media_type,
    )
