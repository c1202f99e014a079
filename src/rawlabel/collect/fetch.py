"""Fetch photos on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rawlabel.collect.http import HttpClient
from rawlabel.collect.sources import Source
from rawlabel.config import CollectConfig
from rawlabel.image_check import decode_image
from rawlabel.image_store import ImageStore
from rawlabel.project import images_path
from rawlabel.records import Outcome, Photo, Reason, Status


class LocalEngine:
    """Downloads and decodes on this machine."""

    def __init__(self, config: CollectConfig, http: HttpClient, sources: Mapping[str, Source]) -> None:
        self._config, self._http, self._sources = config, http, sources
        self._store = ImageStore(images_path(config.project))
        self._slots = asyncio.Semaphore(config.concurrency)

    async def __aenter__(self) -> Self:
        self._store.open_for_writing()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def download(self, photos: Sequence[Photo], record: Callable[[Outcome], None]) -> None:
        """Fetch the photos."""

        async def one(photo: Photo) -> None:
            async with self._slots:
                record(await self._fetch(photo))

        async with asyncio.TaskGroup() as group:
            for photo in photos:
                group.create_task(one(photo))

    async def _fetch(self, photo: Photo) -> Outcome:
        source = self._sources[photo.source]
        facts: dict[str, Any] = {}
        body = await source.read(photo)
        if body is None:
            if photo.url is None:
                return Outcome(photo.source, photo.photo_id, Status.FAILED, Reason.NO_URL)
            response = await self._http.get(photo.url)
            facts = {"http_status": response.http_status, "final_url": response.final_url, "attempts": 1}
            reason = response.failure
            if reason is None and source.is_placeholder(response.final_url):
                reason = Reason.PLACEHOLDER
            if reason is not None:
                return Outcome(photo.source, photo.photo_id, Status.FAILED, reason, **facts)
            body = response.body
        found, _ = await asyncio.to_thread(decode_image, body, self._config.max_megapixels)
        if found.reason is not None:
            return Outcome(photo.source, photo.photo_id, Status.FAILED, found.reason, **facts)
        digest, media_type = await asyncio.to_thread(self._store.put, body)
        return Outcome(
            photo.source, photo.photo_id, Status.FETCHED, sha256=digest, stored_sha256=digest,
            num_bytes=len(body), media_type=media_type, pixel_sha256=found.pixel_sha256,
            perceptual_hash=found.perceptual_hash, width=found.width, height=found.height, **facts,
        )  # fmt: skip
