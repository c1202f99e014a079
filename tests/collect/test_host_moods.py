"""What one address of a host answers is its own affair, and what a host does to all of them is not final."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CollectConfig
from rawlabel.gather.collect.engines.decode_pool import DecodePool
from rawlabel.gather.collect.engines.image_worker import Examined
from rawlabel.gather.collect.http import client
from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.gather.collect.http.host_state import REFUSED_IN_A_ROW, STRAINS_OF_A_HOST, HostState
from rawlabel.gather.collect.http.refusals import Refusals
from rawlabel.gather.collect.stage import collect
from rawlabel.records import Outcome, Reason, Status
from tests.helpers.image_host import ImageHost, image_host

pytestmark = pytest.mark.integration

FAR_AWAY = ["86400", "Fri, 31 Dec 9999 23:59:59 GMT"]


def run(host: ImageHost, folder: Path, count: int, per_class: int = 0) -> list[Outcome]:
    """Collect the first `count` pictures of the host into a project, in the order of the table."""
    table = folder / "table.csv"
    folder.mkdir(exist_ok=True)
    rows = [f"owl,{host.address}/{number}.jpg" for number in range(count)]
    table.write_text("\n".join(["class,url", *rows]), "utf-8")
    config = CollectConfig(
        source=("urls",), input=table, project=folder / "p", allow_loopback=True, attempts=2, per_class=per_class
    )
    collect(config)
    with Catalogue(catalogue_path(folder / "p")) as catalogue:
        return [one.outcome for one in catalogue.candidates()]


def reasons(outcomes: list[Outcome]) -> Counter[Reason | None]:
    return Counter(one.reason for one in outcomes if one.status is not Status.FETCHED)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that requests were made to wait before they were sent, or sent again, however short."""
    waited: list[float] = []
    next_start = HostState.next_start

    def heard(host: HostState, now: float) -> float:
        start = next_start(host, now)
        if now < start < math.inf:
            waited.append(start - now)
        return start

    async def slept(seconds: float) -> None:
        waited.append(seconds)
        await asyncio.sleep(seconds)

    monkeypatch.setattr(HostState, "next_start", heard)
    monkeypatch.setattr(client, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": slept}))
    return waited


@pytest.mark.parametrize("after", FAR_AWAY)
@pytest.mark.parametrize("per_class", [0, 41])
def test_a_503_with_an_absurd_pause_holds_up_nobody_else(
    tmp_path: Path, after: str, per_class: int, waits: list[float]
) -> None:
    with image_host() as host:
        host.odd["/0.jpg"] = lambda: web.Response(status=503, headers={"Retry-After": after})
        outcomes = run(host, tmp_path, 41, per_class)
        # Said of the limits, not of the time that it took: a busy machine takes what it takes.
        assert not waits
        bad = [one for one in outcomes if one.status is not Status.FETCHED]
        assert [(one.reason, one.http_status, one.attempts) for one in bad] == [(Reason.HTTP_ERROR, 503, 1)]
        assert "asks for a pause of" in (bad[0].detail or "")


@pytest.mark.parametrize("per_class", [0, 41])
def test_what_was_asked_in_vain_comes_last_in_the_next_run(tmp_path: Path, per_class: int) -> None:
    """A 429 is obeyed by the whole host, so the first run ends with it; the second must not begin with it."""
    with image_host() as host:
        host.odd["/0.jpg"] = lambda: web.Response(status=429, headers={"Retry-After": "86400"})
        first = run(host, tmp_path, 41, per_class)
        assert reasons(first)[Reason.THROTTLED] >= 30
        second = run(host, tmp_path, 41, per_class)
        assert reasons(second) == {Reason.THROTTLED: 1}
        assert host.asked["/0.jpg"] == 2


def test_a_host_whose_every_address_asks_for_a_day_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rawlabel.gather.collect.http.host_state.FIRST_PAUSE", 0.05)
    with image_host() as host:
        for number in range(60):
            host.odd[f"/{number}.jpg"] = lambda: web.Response(status=503, headers={"Retry-After": "86400"})
        outcomes = run(host, tmp_path, 60)
        assert reasons(outcomes) == {Reason.HTTP_ERROR: 60}
        assert STRAINS_OF_A_HOST <= host.asked.total() <= 2 * STRAINS_OF_A_HOST


def test_a_host_that_has_had_enough_is_asked_again_for_all_that_it_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Final as a refused address is, all that came after the block was lost for good.

    The photos from before it are decoded in the middle of the row, which they must not break up.
    """
    answer, examine, judged = ImageHost.answer, DecodePool.examine, Refusals.judged
    recorded, few = Counter[int | None](), 6
    num_examined = 0

    async def answer_in_turn(host: ImageHost, request: web.Request) -> web.Response:
        while (
            host.refuses_after
            and int(request.path[1:-4]) >= host.refuses_after + few
            and (recorded[403] < few or recorded[200] < num_examined)
        ):
            await asyncio.sleep(0.01)
        return await answer(host, request)

    async def examine_late(pool: DecodePool, data: bytes) -> Examined:
        nonlocal num_examined
        num_examined += 1
        while recorded[403] < few:
            await asyncio.sleep(0.01)
        return await examine(pool, data)

    def judging(refusals: Refusals, outcome: Outcome, url: str | None, exchange: Exchange | None) -> list[Outcome]:
        recorded[outcome.http_status] += 1
        return judged(refusals, outcome, url, exchange)

    monkeypatch.setattr(ImageHost, "answer", answer_in_turn)
    monkeypatch.setattr(DecodePool, "examine", examine_late)
    monkeypatch.setattr(Refusals, "judged", judging)
    with image_host() as host:
        host.odd["/3.jpg"] = lambda: web.Response(status=403)
        host.refuses_after = 30
        outcomes = run(host, tmp_path, 100)
        assert reasons(outcomes)[Reason.FORBIDDEN] <= 1
        assert reasons(outcomes)[Reason.HTTP_ERROR] >= 60
        assert host.asked.total() <= 32 + REFUSED_IN_A_ROW + 8
        host.refuses_after = None
        again = run(host, tmp_path, 100)
        assert reasons(again) == {Reason.FORBIDDEN: 1}


def test_what_one_class_takes_back_another_does_not_record_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first refusals of a row are of a class that waits for its last photo while another ends the row."""
    answer, judged, record = ImageHost.answer, Refusals.judged, Catalogue.record_outcomes
    heard, recorded = list[str](), list[Outcome]()

    async def answer_in_turn(host: ImageHost, request: web.Request) -> web.Response:
        number = int(request.path[1:-4])
        while (number == 0 and not recorded) or (number >= 8 and len(heard) < 7):
            await asyncio.sleep(0.01)
        return await answer(host, request)

    def judging(refusals: Refusals, outcome: Outcome, *arguments: Any) -> list[Outcome]:
        heard.append(outcome.photo_id)
        return judged(refusals, outcome, *arguments)

    def recording(catalogue: Catalogue, outcomes: list[Outcome]) -> None:
        recorded.extend(outcomes)
        record(catalogue, outcomes)

    monkeypatch.setattr(ImageHost, "answer", answer_in_turn)
    monkeypatch.setattr(Refusals, "judged", judging)
    monkeypatch.setattr(Catalogue, "record_outcomes", recording)
    with image_host() as host:
        host.refuses_after = 0
        rows = [f"{'owl' if number < 8 else 'wren'},{host.address}/{number}.jpg" for number in range(40)]
        (tmp_path / "table.csv").write_text("\n".join(["class,url", *rows]), "utf-8")
        config = CollectConfig(
            source=("urls",), input=tmp_path / "table.csv", project=tmp_path / "p", allow_loopback=True, attempts=2
        )
        collect(config)
    with Catalogue(catalogue_path(tmp_path / "p")) as catalogue:
        assert reasons([one.outcome for one in catalogue.candidates()]) == {Reason.HTTP_ERROR: 40}


def test_refusals_amid_what_was_served_are_final_however_late_that_is_heard_of() -> None:
    refusals, latest = Refusals(), dict[str, Reason | None]()

    def hear(number: int, reason: Reason | None, url: str = "http://host/a.jpg") -> None:
        failed = Outcome(
            "urls", str(number), Status.FAILED if reason else Status.FETCHED, reason, 403 if reason else 200
        )
        for one in refusals.judged(failed, url, Exchange(number, number + 0.5)):
            latest[one.photo_id] = one.reason

    # One in three is refused, and what was served is heard of when all has been asked.
    asked = range(60)
    for number in asked:
        if number % 3 == 0:
            hear(number, Reason.FORBIDDEN)
    assert latest["0"] is Reason.HTTP_ERROR
    for number in asked:
        if number % 3:
            hear(number, None)
    assert set(latest.values()) == {None, Reason.FORBIDDEN}


def test_an_address_that_is_refused_amid_others_is_not_asked_again(tmp_path: Path) -> None:
    with image_host() as host:
        host.odd["/3.jpg"] = lambda: web.Response(status=403)
        for _ in range(2):
            assert reasons(run(host, tmp_path, 20)) == {Reason.FORBIDDEN: 1}
        assert host.asked["/3.jpg"] == 1


def test_a_host_that_refuses_everything_is_given_up_after_two_runs(tmp_path: Path) -> None:
    with image_host() as host:
        host.refuses_after = 0
        refused = run(host, tmp_path, 40)
        assert reasons(refused) == {Reason.HTTP_ERROR: 40}
        # What was not asked, since its host is left alone, is counted as no request.
        assert sum(one.attempts for one in refused) == host.asked.total() < 40
        given_up = run(host, tmp_path, 40)
        assert sum(one.attempts for one in given_up) == host.asked.total()
        assert reasons(given_up) == {Reason.FORBIDDEN: 40}
        assert all((one.detail or "").endswith("requests in 2 runs") for one in given_up)
        asked = host.asked.total()
        assert reasons(run(host, tmp_path, 40)) == {Reason.FORBIDDEN: 40}
        assert host.asked.total() == asked


def test_what_a_host_refused_before_it_served_is_not_counted(tmp_path: Path) -> None:
    with Catalogue(tmp_path / "c.sqlite", create=True) as catalogue:
        assert catalogue.note_refused("h", 20) == (1, 20)
        assert catalogue.note_refused("h", 30) == (2, 50)
        catalogue.note_served("h")
        assert catalogue.note_refused("h", 16) == (1, 16)
