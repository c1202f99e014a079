"""The limits and moods of the services: images a second, calls an hour, totals that lie and pages that shift."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.flickr.flickr_api import FlickrApi
from rawlabel_photo_site.web import routes
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.web.throttle import Throttle
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME
from tests.helpers.site_client import call, get


@pytest.fixture(scope="module")
def small() -> PhotoSite:
    return PhotoSite.build(PhotoSiteConfig(per_class=60), NO_FAULTS)


def with_rules(site: PhotoSite, rules: SiteRules) -> PhotoSite:
    return PhotoSite(site.config, site.collection, site.photos, NO_FAULTS, site.max_results, rules)


@pytest.mark.integration
def test_images_faster_than_the_limit_are_refused_and_the_log_shows_when(
    small: PhotoSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, now, replies = 5, 0.0, []
    # The site's clock stands still while it is asked: 24 times a second, whatever else the machine does.
    monkeypatch.setattr(routes, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(routes, "Throttle", partial(Throttle, clock=lambda: now))
    healthy = [photo for photo in small.photos if photo.fault is None and photo.offers(BY_NAME["sq"])]
    with running(with_rules(small, SiteRules(images_per_second=limit))) as served:
        addresses = [served.base_url + photo.image_path(BY_NAME["sq"]) for photo in healthy[:45]]
        with ThreadPoolExecutor(3) as clients:
            for start in range(0, len(addresses), 3):
                now += 1 / 8
                replies += clients.map(get, addresses[start : start + 3])
        deadline = time.monotonic() + 120
        while any(request.status == 0 for request in served.image_log):
            # A client has its reply a moment before the site notes that it is sent.
            assert time.monotonic() < deadline
            time.sleep(0.01)
        log = list(served.image_log)
        call(served, text="nine")
        get(f"{served.base_url}/pw/images/en-us/photo_unavailable_l.png")
        assert len(served.image_log) == served.requests["image"] == 45
    assert {reply.status for reply in replies} == {200, 429}
    assert sorted(reply.status for reply in replies) == sorted(request.status for request in log)
    assert {reply.headers["Retry-After"] for reply in replies if reply.status == 429} == {"1"}
    served_at = [request.time for request in log if request.status != 429]
    assert served_at == sorted(served_at)
    assert len(served_at) > limit
    assert all(late - early >= 1 for early, late in zip(served_at, served_at[limit:], strict=False))


def pages(site: PhotoSite, count: int, **parameters: Any) -> list[dict[str, Any]]:
    api = FlickrApi(site)
    usual = {"method": "flickr.photos.search", "api_key": "k", "format": "json", "text": "six", "per_page": "10"}
    return [
        api.answer({**usual, **parameters, "page": str(page)}, "http://h")["photos"]
        for page in range(1, count + 1)
    ]


def test_totals_are_off_by_up_to_the_noise_and_the_same_on_each_page(small: PhotoSite) -> None:
    site = with_rules(small, SiteRules(count_noise=0.2))
    totals = set()
    for name in site.classes:
        claims = {int(page["total"]) for page in pages(site, 3, text=name)}
        assert len(claims) == 1
        totals |= claims
        assert pages(site, 1, text=name)[0]["pages"] == -(-min(claims) // 10)
    assert min(totals) >= 48 and max(totals) <= 72
    assert min(totals) < 57 and max(totals) > 63


def test_unstable_pages_repeat_photos_of_the_page_before_and_lose_none(small: PhotoSite) -> None:
    site = with_rules(small, SiteRules(unstable_paging=0.2))
    found = [[photo["id"] for photo in page["photo"]] for page in pages(site, 12)]
    flat = [photo for page in found for photo in page]
    assert len(flat) > len(set(flat)) == 60
    assert found[0] == [photo["id"] for photo in pages(small, 1)[0]["photo"]]
    assert set(found[3]) & set(found[4]) or set(found[2]) & set(found[3])
    assert found == [[photo["id"] for photo in page["photo"]] for page in pages(site, 12)]
    assert found[-1] == []
    capped = PhotoSite(site.config, site.collection, site.photos, NO_FAULTS, max_results=40, rules=site.rules)
    ids = [[photo["id"] for photo in page["photo"]] for page in pages(capped, 9)]
    assert [page[:5] for page in ids[:4]] == [page[:5] for page in found[:4]]
    assert ids[3] == ids[4] == ids[8] != ids[2]


def test_an_expired_key_is_refused_as_such(small: PhotoSite) -> None:
    api = FlickrApi(small)
    reply = api.answer({"method": "flickr.test.echo", "api_key": "expired", "format": "json"}, "http://h")
    assert (reply["code"], reply["message"]) == (100, "Invalid API Key (Key has expired)")


@pytest.mark.integration
def test_above_the_hourly_budget_the_api_slows_down_and_then_refuses_with_a_web_page(small: PhotoSite) -> None:
    with running(with_rules(small, SiteRules(flickr_per_hour=20))) as served:
        replies = [rest(served, text="nine", page=number) for number in range(24)]
        other_key = rest(served, text="nine", api_key="another")
    assert [reply.status for reply in replies] == [200] * 22 + [429] * 2
    assert replies[-1].headers.get_content_type() == "text/html"
    assert other_key.status == 200


@pytest.mark.integration
def test_some_calls_are_refused_once_with_a_web_page(small: PhotoSite) -> None:
    with running(with_rules(small, SiteRules(flickr_throttled=0.5))) as served:
        first = [rest(served, text=name).status for name in small.classes]
        second = [rest(served, text=name).status for name in small.classes]
    assert set(first) == {200, 429}
    assert set(second) == {200}


def rest(served: RunningSite, **parameters: Any) -> Any:
    values = {"method": "flickr.photos.search", "api_key": "k", "format": "json", **parameters}
    return get(
        f"{served.base_url}/services/rest/?" + "&".join(f"{name}={value}" for name, value in values.items())
    )
