"""The engine: every photo has one outcome, what is fetched is on the disk, and nothing grows with the list."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rawlabel.artifacts.image_check import check_image
from rawlabel.artifacts.image_store.local import ImageStore
from rawlabel.artifacts.project import images_path
from rawlabel.config import CollectConfig
from rawlabel.errors import DiskError, SourceError
from rawlabel.gather.collect.engines.fetch import MOST_FAILURES_IN_A_ROW, PHOTOS_PER_SLOT, LocalEngine
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.client import MOST_BYTES_HELD, HttpClient
from rawlabel.records import Outcome, Photo, Reason, Status
from tests.helpers.wire import NOBODY, jpeg, reply, settings, wired

pytestmark = pytest.mark.integration


class Source:
    """Asked from their hosts, except for photos whose bytes are here."""

    def __init__(self, own: dict[str, bytes] | None = None) -> None:
        self.own = own or {}

    async def read(self, photo: Photo) -> bytes | None:
        return self.own.get(photo.photo_id)

    def is_placeholder(self, final_url: str) -> bool:
        return False


async def download(
    photos: Sequence[Photo], config: CollectConfig, source: Source | None = None, callers: int = 1
) -> list[Outcome]:
    outcomes: list[Outcome] = []

    def record(outcome: Outcome, _exchange: Exchange | None) -> None:
        outcomes.append(outcome)

    sources: Any = {"list": source or Source()}
    async with HttpClient(config) as http, LocalEngine(config, http, sources) as engine:
        await asyncio.gather(*(engine.download(photos[i::callers], record) for i in range(callers)))
    return outcomes


def test_an_outcome_says_all_that_was_measured(tmp_path: Path) -> None:
    body = jpeg(1)

    async def main() -> list[Outcome]:
        headers = {"ETag": '"t"', "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "imagewidth": "96",
                   "imageheight": "64"}  # fmt: skip
        async with wired(a=reply(body=body, **headers)) as wire:
            return await download([Photo("list", "7", f"{wire.address}/a?size=m")], settings(project=tmp_path))

    (outcome,) = asyncio.run(main())
    decoded = check_image(body, 1, 64.0)
    digest = hashlib.sha256(body).hexdigest()
    assert outcome == Outcome(
        "list", "7", Status.FETCHED, None, 200, None, digest, len(body), "image/jpeg", digest,
        decoded.pixel_sha256, decoded.perceptual_hash, 96, 64, '"t"', "Mon, 01 Jan 2024 00:00:00 GMT", None, 1,
    )  # fmt: skip


def test_a_size_other_than_the_stated_one_is_a_cut_photo(tmp_path: Path) -> None:
    async def main() -> list[Outcome]:
        whole, other = ({"imagewidth": width, "imageheight": "64"} for width in ("96", "97"))
        async with wired(a=reply(body=jpeg(1), **whole), b=reply(body=jpeg(1), **other)) as wire:
            photos = [Photo("list", one, f"{wire.address}/{one}") for one in "ab"]
            return sorted(await download(photos, settings(project=tmp_path)), key=lambda one: one.photo_id)

    assert [one.reason for one in asyncio.run(main())] == [None, Reason.TRUNCATED]


def test_a_resized_photo_has_the_digests_of_both_files(tmp_path: Path) -> None:
    body = jpeg(1, side=256)
    config = settings(project=tmp_path, resize=64)
    (outcome,) = asyncio.run(download([Photo("list", "1", None)], config, Source({"1": body})))
    assert (outcome.sha256, outcome.num_bytes) == (hashlib.sha256(body).hexdigest(), len(body))
    assert (outcome.width, outcome.height, outcome.attempts) == (384, 256, 0)
    stored = ImageStore(images_path(tmp_path)).path(outcome.stored_sha256 or "", "image/jpeg").read_bytes()
    assert hashlib.sha256(stored).hexdigest() == outcome.stored_sha256 != outcome.sha256
    assert Image.open(BytesIO(stored)).size == (96, 64)


def test_many_callers_share_the_engine_and_no_photo_is_lost(tmp_path: Path) -> None:
    async def main() -> list[Outcome]:
        bodies: Any = {f"p{i}": reply(body=jpeg(i, side=32)) for i in range(40)}
        async with wired(**bodies) as wire:
            photos = [Photo("list", str(i), f"{wire.address}/p{i % 50}") for i in range(200)]
            photos.append(Photo("list", "none", None))
            return await download(photos, settings(project=tmp_path), callers=7)

    outcomes = asyncio.run(main())
    assert sorted(one.photo_id for one in outcomes) == sorted([*map(str, range(200)), "none"])
    reasons = [one.reason for one in outcomes]
    assert [reasons.count(one) for one in (None, Reason.HTTP_GONE, Reason.NO_URL)] == [160, 40, 1]
    assert len(list(images_path(tmp_path).rglob("*.jpg"))) == 40
    assert not list(images_path(tmp_path).rglob("*.part"))


def test_only_a_window_of_a_long_list_is_under_way(tmp_path: Path) -> None:
    class Counting(Source):
        under_way = most = 0

        async def read(self, photo: Photo) -> bytes | None:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0)
            self.under_way -= 1
            return b"no image"

    source = Counting()
    config = settings(project=tmp_path, concurrency=2)
    photos = [Photo("list", str(i), None) for i in range(500)]
    outcomes = asyncio.run(download(photos, config, source, callers=3))
    assert {one.reason for one in outcomes} == {Reason.NOT_AN_IMAGE}
    assert 1 < source.most <= 2 * PHOTOS_PER_SLOT


def test_no_request_starts_while_received_photos_fill_the_memory() -> None:
    async def main() -> list[int]:
        async with (
            wired(a=reply(body=jpeg(1, side=16)), b=reply()) as wire,
            HttpClient(settings()) as http,
            HttpClient(settings()) as other,
        ):
            with http.holding(MOST_BYTES_HELD), http.holding(1):
                waiting = asyncio.create_task(http.get(f"{wire.address}/a"))
                # By the time another client has had several answers, this one's request would have come too.
                for _ in range(5):
                    await other.get(f"{wire.address}/b")
                before = wire.paths().count("/a")
            await waiting
            return [before, wire.paths().count("/a")]

    assert asyncio.run(main()) == [0, 1]


def test_a_host_that_is_away_stops_the_run_only_when_no_other_answers(tmp_path: Path) -> None:
    def first_error(group: BaseException) -> BaseException:
        while isinstance(group, BaseExceptionGroup):
            group = group.exceptions[0]
        return group

    async def main(others: int) -> list[Outcome]:
        async with wired(a=reply(body=jpeg(1, side=16))) as wire:
            photos = [Photo("list", f"away{i}", f"{NOBODY}/{i}") for i in range(2 * MOST_FAILURES_IN_A_ROW)]
            photos += [Photo("list", f"here{i}", f"{wire.address}/a") for i in range(others)]
            return await download(photos, settings(project=tmp_path, attempts=1))

    with pytest.raises(BaseExceptionGroup) as caught:
        asyncio.run(main(others=0))
    error = first_error(caught.value)
    assert isinstance(error, SourceError)
    assert "stopped answering" in str(error)
    outcomes = asyncio.run(main(others=150))
    assert sum(one.status is Status.FETCHED for one in outcomes) == 150


def test_the_store_keeps_whole_files_only_and_follows_no_link(tmp_path: Path) -> None:
    store, data = ImageStore(tmp_path / "images"), jpeg(1)
    store.open_for_writing()
    path = store.path(*store.put(data))
    path.write_bytes(data[:100])
    store.put(data)
    assert path.read_bytes() == data
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    path.unlink()
    path.symlink_to(victim)
    store.put(data)
    assert (path.read_bytes(), victim.read_bytes(), path.is_symlink()) == (data, b"mine", False)
    outside = tmp_path / "outside"
    path.unlink()
    path.parent.rename(outside)
    path.parent.symlink_to(outside)
    with pytest.raises(DiskError, match="is a link"):
        store.put(data)
    assert not list(outside.iterdir())
