"""Sixteen addresses that a list from the web may hold, and what must become of each in a first and second run."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rawlabel.artifacts.image_store.local import ImageStore
from rawlabel.artifacts.project import images_path
from rawlabel.gather.collect.engines.fetch import LocalEngine
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.client import HttpClient
from rawlabel.records import Outcome, Photo, Reason, Status
from tests.helpers.wire import Answer, Asked, Wire, jpeg, redirect, reply, settings, wired

pytestmark = pytest.mark.integration


class AnySource:
    """A source whose photos are asked from their hosts, with Flickr's rule for placeholders."""

    async def read(self, photo: Photo) -> bytes | None:
        return None

    def is_placeholder(self, final_url: str) -> bool:
        return "photo_unavailable" in final_url


@dataclass
class Row:
    url: str
    """A path of the server, or a whole address."""
    status: Status
    reason: Reason | None = None
    requests: tuple[int, int] = (1, 0)
    """How often the server is asked in the first run and in the second."""


async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff")
    while True:
        writer.write(bytes(65536))
        await writer.drain()


async def drip(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n")
    for byte in jpeg(1, side=128):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


GOOD, SECOND = jpeg(1), jpeg(2)
UNAVAILABLE = reply(body=jpeg(9, form="PNG"), Content_Type="image/png")
ANSWERS: dict[str, Answer | list[Answer]] = {
    "good": reply(body=GOOD),
    "removed1": redirect("/photo_unavailable_l"),
    "removed2": redirect("/photo_unavailable_l"),
    "removed3": redirect("/photo_unavailable_l"),
    "photo_unavailable_l": UNAVAILABLE,
    "gone": reply(404),
    "throttled": [reply(429, Retry_After="1"), reply(body=SECOND)],
    "page": reply(body=b"<!DOCTYPE html><h1>Are you human?</h1>", Content_Type="text/html"),
    "half": reply(body=jpeg(3)[:1200]),
    "noindex": reply(body=jpeg(4), X_Robots_Tag="noindex"),
    "inside": redirect("http://10.0.0.1/private.jpg"),
    "endless": endless,
    "drip": drip,
    "broken": reply(500),
}
FETCHED, FAILED = Status.FETCHED, Status.FAILED
ROWS = [
    Row("good", FETCHED),
    Row("good", FETCHED),
    Row("removed1", FAILED, Reason.PLACEHOLDER),
    Row("removed2", FAILED, Reason.PLACEHOLDER),
    Row("removed3", FAILED, Reason.PLACEHOLDER),
    Row("gone", FAILED, Reason.HTTP_GONE),
    Row("throttled", FETCHED, None, (2, 0)),
    Row("page", FAILED, Reason.SOFT_BLOCK, (1, 1)),
    Row("half", FAILED, Reason.TRUNCATED),
    Row("noindex", FAILED, Reason.OPT_OUT),
    Row("file:///etc/hostname", FAILED, Reason.REFUSED_ADDRESS, (0, 0)),
    Row("inside", FAILED, Reason.REFUSED_ADDRESS, (1, 1)),
    Row("data:image/png;base64,iVBORw0KGgo=", FAILED, Reason.REFUSED_ADDRESS, (0, 0)),
    Row("endless", FAILED, Reason.TOO_LARGE),
    Row("drip", FAILED, Reason.TIMEOUT, (1, 1)),
    Row("broken", FAILED, Reason.HTTP_ERROR, (2, 2)),
]


async def run(photos: list[Photo], project: Path) -> dict[str, Outcome]:
    outcomes: list[Outcome] = []

    def record(outcome: Outcome, _exchange: Exchange | None) -> None:
        outcomes.append(outcome)

    sources: Any = {"list": AnySource()}
    # The one that a time limit ends has a short one; to the others a busy machine gives what they need.
    for deadline in (3.0, 60.0):
        config = settings(project=project, max_megabytes=2, deadline=deadline, workers=1)
        own = [one for one in photos if one.url.endswith("/drip") == (deadline == 3)]
        async with HttpClient(config) as http, LocalEngine(config, http, sources) as engine:
            await engine.download(own, record)
    assert len(outcomes) == len(photos)
    return {one.photo_id: one for one in outcomes}


def test_each_of_the_sixteen_ends_as_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    real = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: (connected.append(to), real(self, to))[1])

    async def both_runs() -> tuple[dict[str, Outcome], dict[str, Outcome], Wire, list[str]]:
        async with wired(**ANSWERS) as wire:
            photos = [
                Photo("list", str(i), row.url if ":" in row.url else f"{wire.address}/{row.url}")
                for i, row in enumerate(ROWS)
            ]
            first = await run(photos, tmp_path)
            asked = wire.paths()
            wire.asked.clear()
            again = [one for one in photos if (reason := first[one.photo_id].reason) and reason.may_pass]
            return first, await run(again, tmp_path), wire, asked

    first, second, wire, asked = asyncio.run(both_runs())
    for i, row in enumerate(ROWS):
        outcome = first[str(i)]
        assert (outcome.status, outcome.reason) == (row.status, row.reason), (row.url, outcome)
        num_rows = sum(other.url == row.url for other in ROWS)
        requests = row.requests
        if row.url == "drip":
            # Where the machine stands still, the time may be over before the first line is read: it asks again.
            requests = outcome.attempts, second[str(i)].attempts
            assert all(1 <= one <= 2 for one in requests)
        assert asked.count(f"/{row.url}") == requests[0] * num_rows, row.url
        assert wire.paths().count(f"/{row.url}") == requests[1] * num_rows, row.url
        # What is refused here is looked at again, should it be permitted by then; nobody hears of it.
        assert (str(i) in second) == (row.requests[1] > 0 or row.reason is Reason.REFUSED_ADDRESS)
    assert not [to for to in connected if isinstance(to, tuple) and to[0] == "10.0.0.1"]
    assert first["9"].detail == "x-robots-tag: noindex"
    store = images_path(tmp_path)
    files = {path.stem for path in store.rglob("*.*")}
    # The same bytes are one file, however often they are found; what is no photo is not there.
    assert files == {first["0"].stored_sha256, first["6"].stored_sha256}
    assert first["0"].stored_sha256 == first["1"].stored_sha256
    assert ImageStore(store).path(first["0"].stored_sha256 or "", "image/jpeg").read_bytes() == GOOD
    assert Image.open(BytesIO(SECOND)).size == (first["6"].width, first["6"].height)
