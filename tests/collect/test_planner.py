"""Searches beyond the site's limit: nearly everything is found, with few calls, whatever the totals say."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiohttp import web

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CollectConfig, PlanConfig
from rawlabel.gather.collect.http.api import CallBudget
from rawlabel.gather.collect.plan import plan
from rawlabel.gather.collect.stage import collect
from rawlabel_photo_site.bulk.bulk import BulkSite
from rawlabel_photo_site.web.server import RunningSite, running
from tests.helpers.faulty_site import Handler, served

pytestmark = pytest.mark.integration
PAGE = 500


def settings(site: RunningSite, folder: Path, **changes: object) -> dict[str, object]:
    (folder / "classes.txt").write_text("snail\n")
    values: dict[str, object] = {
        "classes": folder / "classes.txt", "project": folder / "p", "source": ("flickr",), "per_class": 0,
        "base_url": (site.base_url,), "search_only": True, "allow_loopback": True,
    }  # fmt: skip
    return values | changes


@pytest.mark.parametrize(("photos", "seed"), [(20_000, 0), (20_000, 1), (4_100, 2), (300, 3), (0, 4)])
def test_a_search_beyond_the_limit_finds_all_with_few_calls(tmp_path: Path, photos: int, seed: int) -> None:
    site = BulkSite({"snail": photos}, seed, 0.10)
    with running(site) as running_site:
        collect(CollectConfig(**settings(running_site, tmp_path)), api_key="k")  # type: ignore[arg-type]
    with Catalogue(catalogue_path(tmp_path / "p")) as catalogue:
        found = {one.photo.photo_id for one in catalogue.found("snail")}
        query = catalogue.queries()[0]
    assert len(found & set(site.ids("snail"))) >= 0.99 * photos
    # One call for the table of licenses and, for a small search, one that learns that there is no more.
    assert running_site.requests["api"] <= 1.3 * math.ceil(photos / PAGE) + 2
    assert query.exhausted
    assert not query.truncated


def flickr_of(uploads: Sequence[tuple[int, int]]) -> Handler:
    """A site that holds one photo for each (second of upload, license) and hands out 4,000 of a search."""

    def answer(request: web.Request) -> web.StreamResponse:
        query = request.query
        if query["method"] != "flickr.photos.search":
            table = [{"id": number, "name": f"License {number}", "url": ""} for number in range(17)]
            return web.json_response({"stat": "ok", "licenses": {"license": table}})
        earliest, latest = int(query.get("min_upload_date", 0)), int(query["max_upload_date"])
        licenses = {int(number) for number in query.get("license", "").split(",") if number}
        hits = [
            (index, upload)
            for index, (upload, license_id) in enumerate(uploads)
            if earliest <= upload <= latest and (not licenses or license_id in licenses)
        ]
        first = (min(int(query["page"]), 8) - 1) * PAGE
        photos = [
            {"id": str(index), "dateupload": str(upload)} for index, upload in hits[:4000][first : first + PAGE]
        ]
        return web.json_response({"stat": "ok", "photos": {"total": len(hits), "photo": photos}})

    return answer


SECOND = 1_300_000_000


@pytest.mark.parametrize(
    ("uploads", "num_lost", "by_license"),
    [
        # The page before the split and the first page of the slice hold the same 500 photos of one second.
        ([(SECOND, 0)] * 1200 + [(SECOND + 86_400 * day, 0) for day in range(2_800)], 0, False),
        # One second holds more than the site hands out, but no license of it does.
        ([(SECOND, number % 17) for number in range(4_600)] + [(SECOND + 9, 0)] * 400, 0, True),
        # One second holds more of one license than the site hands out: what is lost is said to be.
        ([(SECOND, 4)] * 4_600 + [(SECOND, 5)] * 20, 600, True),
    ],
)
def test_many_uploads_in_one_second(
    tmp_path: Path, uploads: list[tuple[int, int]], num_lost: int, by_license: bool
) -> None:
    (tmp_path / "classes.txt").write_text("snail\n")
    with served(flickr_of(uploads)) as address:
        values = settings(RunningSite(address), tmp_path)
        collect(CollectConfig(**values), api_key="k")  # type: ignore[arg-type]
    with Catalogue(catalogue_path(tmp_path / "p")) as catalogue:
        query = catalogue.queries()[0]
        parts = catalogue.parts(query)
        found = {one.photo.photo_id for one in catalogue.found("snail")}
    assert len(found) == len(uploads) - num_lost
    assert query.truncated == (num_lost > 0)
    assert any("license" in part.bounds for part in parts) == by_license


def test_relevance_first_and_dates_when_more_is_wanted(tmp_path: Path) -> None:
    site = BulkSite({"snail": 6_000}, 6, 0.05)
    with running(site) as running_site:
        for wanted in (600, 5_000):
            changes = settings(running_site, tmp_path, per_class=wanted)
            collect(CollectConfig(**changes), api_key="k")  # type: ignore[arg-type]
            with Catalogue(catalogue_path(tmp_path / "p")) as catalogue:
                assert catalogue.queries()[0].num_events >= wanted
                names = [part.name for part in catalogue.parts(catalogue.queries()[0])]
            assert names[0] == ""
            assert (len(names) > 1) == (wanted > 4_000)


def test_a_plan_foretells_the_collection_and_its_pages_are_not_asked_for_again(tmp_path: Path) -> None:
    site = BulkSite({"snail": 12_000, "slug": 700, "newt": 20}, 7, 0.0)
    classes = tmp_path / "three.json"
    classes.write_text(json.dumps({"snail": ["snail"], "slug": ["slug"], "newt": ["newt"]}))
    with running(site) as running_site:
        values = settings(running_site, tmp_path, classes=classes)
        made = plan(PlanConfig(**values, out=None), api_key="k")  # type: ignore[arg-type]
        asked = running_site.requests["api"]
        assert asked == 4
        collect(CollectConfig(**values), api_key="k")  # type: ignore[arg-type]
        total = running_site.requests["api"] - 2  # the table of licenses is asked for by each run
    by_name = {one.name: one for one in made.classes}
    assert [by_name[name].photos for name in ("snail", "slug", "newt")] == [12_000, 700, 20]
    foretold = sum(one.calls for one in made.classes)
    assert abs(foretold - total) <= 0.15 * total + 2
    assert by_name["snail"].keywords[0].slices > 1
    assert made.quota_hours["flickr"] == pytest.approx((foretold - 3) / 3600)
    assert [one.class_ids[0] for one in made.warnings if one.kind == "far_less_frequent"] == ["newt"]
    # And the plan costs nothing: planned or not, the collection makes the same calls.
    with running(site) as fresh:
        collect(CollectConfig(**settings(fresh, tmp_path, classes=classes, project=tmp_path / "q")), api_key="k")  # type: ignore[arg-type]
        assert fresh.requests["api"] - 1 == total


def test_a_plan_without_asking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "classes.json").write_text('{"a": ["wagon"], "b": ["wagon", "drop", "drop-off"]}')
    out = tmp_path / "plan.json"
    arguments = ["plan", str(tmp_path / "classes.json"), "--offline", "--out", str(out), "--source", "flickr"]
    assert cli.run([*arguments, "--project", str(tmp_path / "p")]) == 0
    shown = capsys.readouterr().out
    assert "'wagon' is a keyword of" in shown
    assert "photos not yet known" in shown
    assert not (tmp_path / "p").exists()
    assert json.loads(out.read_text())["classes"][0]["photos"] is None


def test_the_papers_class_file_can_be_planned(paper: Path, capsys: pytest.CaptureFixture[str]) -> None:
    classes = paper / "metadata" / "tiny_classes_to_search.json"
    assert cli.run(["plan", str(classes), "--offline", "--source", "flickr"]) == 0
    shown = capsys.readouterr().out
    assert "200 classes, 385 searches" in shown
    assert "'wagon' is a keyword of" in shown


def test_the_budget_of_calls_outlives_the_process(tmp_path: Path) -> None:
    limits, now = ((3, 3600.0),), time.time()
    with Catalogue(tmp_path / "c.sqlite", create=True) as catalogue:
        for ago in (4000.0, 3000.0, 100.0, 50.0):
            catalogue.record_call("flickr", now - ago)
    with Catalogue(tmp_path / "c.sqlite") as catalogue:
        budget = CallBudget("flickr", catalogue, limits)
        assert budget.pause(now) == pytest.approx(600, abs=2)
        assert CallBudget("openverse", catalogue, limits).pause(now) == 0
