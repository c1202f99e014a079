"""Nothing is waited for in silence, no longer than is needed, and what ends badly says why."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CollectConfig, PhotoSiteConfig, PlanConfig
from rawlabel.errors import ConfigError, SourceError
from rawlabel.gather.collect.expectation import Expectation
from rawlabel.gather.collect.http.api import CallBudget
from rawlabel.gather.collect.plan import plan
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.collect.waiting import duration
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.faulty_site import Handler, encoded, search_reply, served, settings_for

JPEG = encoded(Image.new("RGB", (40, 40), "teal"))


def test_calls_in_the_future_are_dropped_and_no_wait_is_longer_than_its_limit(tmp_path: Path) -> None:
    now = time.time()
    with Catalogue(tmp_path / "c.sqlite", create=True) as catalogue:
        for at in (now - 50, now + 5_000, now + 90_000):
            catalogue.record_call("flickr", at)
        budget = CallBudget("flickr", catalogue, ((2, 3600.0),))
        assert budget.pause(now) == 0
        # The clock is set back while the run goes on.
        budget.count()
        # Later than the call, however long that took: one in the future says nothing.
        assert 0 < budget.pause(time.time()) <= 3600
        assert budget.pause(now - 7_000) <= 3600
        assert catalogue.calls_since("flickr", 0)[-1] <= time.time()


@pytest.mark.integration
def test_a_wait_for_the_quota_is_told_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    clock = [time.time()]

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("rawlabel.gather.collect.http.api.asyncio.sleep", nap)
    monkeypatch.setattr("rawlabel.gather.collect.http.api.time.time", lambda: clock[0])
    told: list[float] = []
    with Catalogue(tmp_path / "c.sqlite", create=True) as catalogue:
        budget = CallBudget("openverse", catalogue, ((1, 600.0),))
        budget.count()
        asyncio.run(budget.spend(told.append))
    assert len(told) == 10
    assert max(naps) <= 60
    assert duration(told[0]) == "10 min"


def test_a_site_that_wants_a_contact_is_not_asked_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "classes.txt").write_text("owl\n")
    asked: list[str] = []

    def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=429)

    arguments = ["collect", str(tmp_path / "classes.txt"), "--project", str(tmp_path / "p"), "--allow-loopback"]
    with served(handle) as address:
        assert cli.run([*arguments, "--base-url", address]) == 2
    assert not asked
    shown = capsys.readouterr().err
    assert "--contact" in shown
    assert len(shown.strip().splitlines()) == 1
    assert not (tmp_path / "p").exists()


@pytest.mark.integration
def test_a_host_that_throttles_is_named_while_it_does_and_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLICKR_API_KEY", "k")
    (tmp_path / "classes.txt").write_text("owl\n")

    def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/0.jpg":
            return web.Response(body=JPEG, content_type="image/jpeg")
        if request.path.endswith(".jpg"):
            return web.Response(status=429, headers={"Retry-After": "3"})
        return search_reply([{"id": str(n), "url_m": f"http://{request.host}/{n}.jpg"} for n in range(3)], 3)

    arguments = ["collect", str(tmp_path / "classes.txt"), "--project", str(tmp_path / "p"), "--allow-loopback"]
    with served(handle) as address:
        assert cli.run([*arguments, "--source", "flickr", "--base-url", address, "--attempts", "1"]) == 0
    out = capsys.readouterr()
    host = address.removeprefix("http://")
    assert f"{host}: throttles, waits 3 s" in out.err
    assert "most addresses failed (2 of 3), by host and cause:" in out.out
    assert "2 127.0.0.1: " in out.out
    assert "(HTTP 429)" in out.out


@pytest.mark.integration
@pytest.mark.usefixtures("messages_on_stderr")
def test_the_progress_counts_to_what_the_sites_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def handle(request: web.Request) -> web.StreamResponse:
        if request.path.endswith(".jpg"):
            number = int(request.path[1:-4])
            return web.Response(body=encoded(Image.new("RGB", (40, 40), (number * 9, 80, 40))))
        word = int(request.query.get("text", "0"))
        return search_reply(
            [{"id": str(n), "url_m": f"http://{request.host}/{n}.jpg"} for n in range(4 * word, 4 * word + 4)], 4
        )

    (tmp_path / "classes.txt").write_text("\n".join(map(str, range(5))))
    with served(handle) as address:
        collect(settings_for(address, tmp_path), api_key="k")
    shown = capsys.readouterr().err.strip().splitlines()
    assert shown[-1].startswith("collecting: 20/20")
    assert not [line for line in shown if "/10000" in line]


def test_what_is_expected_follows_what_the_sites_state() -> None:
    expectation = Expectation(20, 2_000)
    assert expectation.total == 40_000
    for number in range(20):
        expectation.note(str(number), 125)
        assert expectation.total == 2_500
    expectation.note("3", 9_999)
    assert expectation.total == 19 * 125 + 2_000
    expectation.conclude("3", 60)
    assert expectation.total == 19 * 125 + 60


@pytest.mark.integration
@pytest.mark.parametrize(
    ("reply", "named"),
    [
        ({"result_count": 700, "page_count": 35, "results": []}, "says that it has 700 results and lists none"),
        (
            {"result_count": 2, "results": [{"uuid": "a"}, {"uuid": "b"}]},
            "2 results of which none reads as a photo",
        ),
        ({"result_count": 1, "results": [{"id": "a", "link": "https://h/a.jpg"}]}, "gives no address of an image"),
        ({"items": []}, "a reply without images"),
    ],
)
def test_a_site_that_has_changed_is_one_line_and_not_an_empty_run(
    tmp_path: Path, reply: object, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def handle(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.query.get("q")))
        return web.json_response(reply)

    (tmp_path / "classes.txt").write_text("\n".join(map(str, range(9))))
    with served(handle) as address:
        with pytest.raises(SourceError, match=named):
            collect(settings_for(address, tmp_path, source=("openverse",), attempts=1), api_key=None)
        assert len(asked) <= 2
        asked.clear()
        arguments = ["sources", "--check", "--source", "openverse", "--source", "folder", "--attempts", "1"]
        assert cli.run([*arguments, "--base-url", address, "--allow-loopback"]) == 1
        assert len(asked) == 1
    shown = capsys.readouterr().out.strip().splitlines()
    assert len(shown) == 2
    assert shown[0].startswith("openverse: ") and named in shown[0]
    # What the page held is not taken for the end of a search.
    with Catalogue(catalogue_path(tmp_path)) as catalogue:
        assert not any(one.pages for one in catalogue.queries())


@pytest.fixture(scope="module")
def small_rules_site() -> PhotoSite:
    return PhotoSite.build(PhotoSiteConfig(seed=3, per_class=40), NO_FAULTS, rules=SiteRules(speed=60))


@pytest.mark.integration
def test_all_sites_pass_the_check_and_a_plan_of_commons_knows_photos_and_gigabytes(
    small_rules_site: PhotoSite,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLICKR_API_KEY", "k")
    (tmp_path / "classes.json").write_text(json.dumps({"three": ["three"], "eight": ["eight"]}))
    with running(small_rules_site) as site:
        assert cli.run(["sources", "--check", "--base-url", site.base_url, "--allow-loopback"]) == 0
        # The simulated iNaturalist has no birds; a name that no taxon has is asked for as words once more.
        assert site.requests == {"api": 1, "commons": 1, "openverse": 1, "inaturalist": 2}
        shown = capsys.readouterr().out
        assert "commons: answers" in shown and "urls: reads this machine" in shown
        arguments = ["plan", str(tmp_path / "classes.json"), "--project", str(tmp_path / "p"), "--allow-loopback"]
        assert cli.run([*arguments, "--base-url", site.base_url]) == 0
    shown = capsys.readouterr().out
    assert "?" not in shown.split("warnings about")[0]
    assert "photos not yet known" not in shown


@pytest.mark.integration
def test_a_plan_without_key_or_network_says_what_it_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    (tmp_path / "classes.json").write_text('{"a": ["wagon"], "b": ["wagon", "drop"]}')
    arguments = ["plan", str(tmp_path / "classes.json"), "--source", "flickr", "--source", "openverse"]
    arguments += ["--attempts", "1", "--allow-loopback", "--base-url", "http://127.0.0.1:9"]
    assert cli.run([*arguments, "--project", str(tmp_path / "p")]) == 0
    shown = capsys.readouterr()
    assert "'wagon' is a keyword of" in shown.out
    assert "flickr was not asked" in shown.err and "FLICKR_API_KEY" in shown.err
    assert "openverse was not asked" in shown.err and "cannot be reached" in shown.err
    assert "photos not yet known" in shown.out
    with pytest.raises(ConfigError):
        plan(PlanConfig(source=("flickr",), project=tmp_path / "q"))


PRESENCE_REFUSED: dict[str, Handler] = {
    "flickr": lambda request: web.json_response({"stat": "fail", "code": 112, "message": "Method not found"}),
    "openverse": lambda request: web.json_response({"detail": "no"}),
    "inaturalist": lambda request: web.json_response({"error": "no"}),
    "commons": lambda request: web.json_response({"error": {"code": "badvalue", "info": "no"}}),
}


@pytest.mark.integration
@pytest.mark.parametrize("name", PRESENCE_REFUSED)
def test_a_site_that_cannot_be_asked_about_photos_is_not_said_to_refuse_a_search(
    name: str, tmp_path: Path
) -> None:
    from rawlabel.gather.collect.session import Session, requested_sources
    from rawlabel.records import Photo

    async def run(config: CollectConfig) -> None:
        with Catalogue(tmp_path / "c.sqlite", create=True) as catalogue:
            async with Session(config, catalogue, requested_sources(config), "k") as session:
                source = session.sources[name]
                source._is_prepared = True
                page = "https://www.inaturalist.org/observations/1"
                photo = Photo(source=name, photo_id="1", url=None, page_url=page, title="", tags="", author="",
                              author_id="", license_id="", license_name="", license_url="")  # fmt: skip
                with pytest.raises(SourceError, match="refuses to say whether photos are still there"):
                    await source.presence([photo])

    with served(PRESENCE_REFUSED[name]) as address:
        asyncio.run(run(settings_for(address, tmp_path, source=(name,), attempts=1)))
