"""Replies that no honest site sends, and some that real ones do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import SourceError
from rawlabel.gather.collect.stage import collect
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.faulty_site import Handler, encoded, json_values, search_reply, served, settings_for

pytestmark = pytest.mark.integration


def attempt(address: str, folder: Path, attempts: int = 1) -> dict[str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("owl\n")
    return collect(settings_for(address, folder, attempts=attempts), api_key="k")


@pytest.mark.parametrize(
    ("handle", "named"),
    [
        (lambda request: web.json_response({"stat": "fail", "code": 105, "message": "down"}), "code 105: down"),
        (lambda request: web.json_response({"stat": "fail", "code": 18, "message": "no"}), "refuses the search"),
        (lambda request: web.Response(text="<html>busy</html>"), "not JSON"),
        (lambda request: web.Response(status=503), "answers HTTP 503"),
        (lambda request: web.Response(status=403), "refuses with HTTP 403"),
        (lambda request: web.json_response({"stat": "ok"}), "a reply without photos"),
        (lambda request: search_reply([{"title": "no id"}]), "a reply without photos"),
        (lambda request: web.json_response([1]), "a reply without a status"),
        (
            lambda request: web.Response(status=302, headers={"Location": str(request.url)}),
            "redirects in a circle",
        ),
    ],
)
def test_a_failing_site_gets_one_line(tmp_path: Path, handle: Handler, named: str) -> None:
    with served(handle) as address, pytest.raises(SourceError) as caught:
        attempt(address, tmp_path)
    assert named in str(caught.value)
    assert str(caught.value).startswith(address)
    assert "\n" not in str(caught.value)
    assert "api_key" not in str(caught.value)


@pytest.mark.parametrize("total", [0, "0", "", "1", 1])
def test_total_may_be_a_number_a_text_or_empty(tmp_path: Path, total: object) -> None:
    with served(lambda request: search_reply([], total)) as address:
        assert attempt(address, tmp_path)["label_events"] == 0


def test_passing_faults_are_tried_again(tmp_path: Path) -> None:
    asked: list[str] = []
    jpeg = encoded(Image.new("RGB", (40, 40), "teal"))

    def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if request.path == "/photo.jpg":
            return web.Response(status=200 if asked.count("/photo.jpg") > 2 else 429, body=jpeg)
        if len(asked) == 1:
            return web.json_response({"stat": "fail", "code": 201, "message": "Sorry"})
        return search_reply(
            [{"id": "1", "url_m": f"http://{request.host}/photo.jpg", "width_m": "9", "height_m": 9}]
        )

    with served(handle) as address:
        assert attempt(address, tmp_path, attempts=4)["fetched"] == 1
    assert asked.count("/photo.jpg") == 3


def test_addresses_that_ask_for_a_day_hold_up_no_other(tmp_path: Path) -> None:
    """And photos that proxies serve with other words and numbers are whole."""
    (tmp_path / "classes.txt").write_text("one\ntwo\n")
    site = PhotoSite.build(
        PhotoSiteConfig(per_class=20), replace(NO_FAULTS, image_held_up=0.15, image_odd_headers=0.5)
    )
    with running(site) as served:
        counts = collect(settings_for(served.base_url, tmp_path), api_key="k")
    answers = Counter(request.status for request in served.image_log)
    # Each of them was asked once, nobody waited for a day, and all that was served is there.
    assert answers[503] == counts["http_error"] > 3
    assert answers[203] and answers[206]
    assert counts["fetched"] == answers[200] + answers[203] + answers[206] == 40 - answers[503] - answers[302]


def test_a_body_above_the_limit_is_not_read_to_its_end(tmp_path: Path) -> None:
    def handle(request: web.Request) -> web.StreamResponse:
        if request.path == "/photo.jpg":
            return web.Response(body=bytes(3_000_000))
        return search_reply([{"id": "1", "url_m": f"http://{request.host}/photo.jpg"}])

    (tmp_path / "classes.txt").write_text("owl\n")
    with served(handle) as address:
        counts = collect(settings_for(address, tmp_path, max_megabytes=1), api_key="k")
    assert (counts["fetched"], counts["too_large"]) == (0, 1)


FIELDS = ("owner", "title", "tags", "license", "dateupload", "datetaken", "url_m", "width_m", "ownername")
photo_like = st.fixed_dictionaries({"id": json_values}, optional=dict.fromkeys(FIELDS, json_values))


@settings(max_examples=40)
@given(photos=st.lists(photo_like, max_size=4) | json_values, total=json_values)
def test_no_reply_of_any_shape_brings_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, photos: object, total: object
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    with served(lambda request: search_reply(photos, total)) as address:
        try:
            attempt(address, folder)
        except SourceError as error:
            assert "\n" not in str(error)
            return
    with Catalogue(catalogue_path(folder)) as catalogue:
        counts = catalogue.counts()
    assert counts["photos"] >= counts["fetched"]
