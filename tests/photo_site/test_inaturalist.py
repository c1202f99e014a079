"""iNaturalist over real connections on loopback: paging, filters, photos and the limit."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.site_client import ask, get

pytestmark = pytest.mark.integration


def observations(served: RunningSite, **parameters: Any) -> dict[str, Any]:
    reply = ask(served, "/v1/observations", **parameters)
    assert reply.status == 200
    return json.loads(reply.body)


def test_pages_and_id_above_reach_the_same_observations(served: RunningSite, site: PhotoSite) -> None:
    everything = observations(served, taxon_name="nines", per_page=200)
    expected = {one.observation_id for one in site.holdings.observations if one.taxon.common_name == "nine"}
    assert {one["id"] for one in everything["results"]} == expected
    assert everything["total_results"] == len(expected) > 20
    walked, above = [], 0
    while True:
        block = observations(served, taxon_name="Nine", per_page=10, order_by="id", order="asc", id_above=above)
        if not block["results"]:
            break
        walked += [one["id"] for one in block["results"]]
        above = walked[-1]
    assert walked == sorted(expected)
    times = [one["created_at"] for one in everything["results"]]
    assert times == sorted(times, reverse=True)
    assert observations(served, taxon_name="unicorn")["total_results"] == 0


def test_filters_by_license_and_quality_and_closed_photos_have_no_code(served: RunningSite) -> None:
    everything = observations(served, photos="true", per_page=200)["results"]
    assert None in {photo["license_code"] for one in everything for photo in one["photos"]}
    kept = observations(served, photo_license="cc-by,CC0", quality_grade="research", per_page=200)["results"]
    assert kept and {one["quality_grade"] for one in kept} == {"research"}
    assert all({photo["license_code"] for photo in one["photos"]} & {"cc-by", "cc0"} for one in kept)


def test_a_photo_comes_in_the_sizes_that_its_address_names(served: RunningSite, site: PhotoSite) -> None:
    one = observations(served, taxon_name="three", per_page=1)["results"][0]
    photo = one["photos"][0]
    assert photo["url"].endswith("/square.jpg")
    full = photo["original_dimensions"]
    for size, side in (("square", 75), ("small", 240), ("medium", 500), ("large", 1024), ("original", 10_000)):
        with Image.open(io.BytesIO(get(photo["url"].replace("square", size)).body)) as image:
            assert max(image.size) == min(side, max(full.values()))
    assert site.truth()["contents"][site.identity("inaturalist", str(photo["id"]))]
    assert get(photo["url"].replace("square", "huge")).status == 404
    assert get(photo["url"].replace(str(photo["id"]), "1")).status == 404


def test_observations_by_their_ids_leave_out_those_that_do_not_exist(served: RunningSite) -> None:
    ids = [one["id"] for one in observations(served, per_page=3)["results"]]
    reply = json.loads(ask(served, f"/v1/observations/{ids[0]},{ids[2]},5").body)
    assert [one["id"] for one in reply["results"]] == [ids[0], ids[2]]
    assert json.loads(ask(served, "/v1/observations/5").body)["total_results"] == 0
    assert ask(served, "/v1/observations/five").status == 422


def test_the_result_window_is_limited_and_so_are_requests_a_minute() -> None:
    # Its minute lasts ten of ours, so that all requests fall into one, however slow the machine is.
    rules = SiteRules(inaturalist_results=40, speed=0.1)
    site = PhotoSite.build(PhotoSiteConfig(per_class=30), NO_FAULTS, rules=rules)
    with running(site) as served:
        assert ask(served, "/v1/observations", per_page=20, page=2).status == 200
        assert ask(served, "/v1/observations", per_page=20, page=3).status == 403
        replies = [ask(served, "/v1/observations", per_page=1) for _ in range(100)]
    assert [reply.status for reply in replies] == [200] * 98 + [429] * 2
    assert 1 <= int(replies[-1].headers["Retry-After"]) <= 600
