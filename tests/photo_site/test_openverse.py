"""Openverse over real connections on loopback: levels of access, limits, filters and details."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.site_client import Reply, ask, get

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def fast(site: PhotoSite) -> Iterator[RunningSite]:
    """The default site with limits that never bite."""
    rules = SiteRules(speed=100_000)
    quick = PhotoSite(site.config, site.collection, site.photos, NO_FAULTS, rules=rules, holdings=site.holdings)
    with running(quick) as served:
        yield served


def images(served: RunningSite, token: str | None = None, **parameters: Any) -> Reply:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return ask(served, "/v1/images/", headers, **parameters)


def token_of(served: RunningSite, **changes: str) -> Reply:
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "mine", **changes}
    return get(f"{served.base_url}/v1/auth_tokens/token/", urllib.parse.urlencode(form).encode())


def test_pages_end_at_a_depth_of_240_and_registered_pages_are_larger(served: RunningSite) -> None:
    token = json.loads(token_of(served).body)["access_token"]
    found: list[str] = []
    for page in range(1, 5):
        reply = images(served, token, q="nine", page=page, page_size=50)
        block = json.loads(reply.body)
        assert reply.status == 200 and block["page_size"] == 50 and block["result_count"] <= 240
        found += [one["id"] for one in block["results"]]
    assert len(set(found)) == 200
    for parameters, words in (
        ({"page": 5, "page_size": 50}, "pagination depth may not exceed 240"),
        ({"page_size": 51}, "page_size may not exceed 50 for authenticated"),
    ):
        reply = images(served, token, q="nine", **parameters)
        assert reply.status == 401 and words in json.loads(reply.body)["detail"]
    reply = images(served, q="nine", page_size=21)
    assert reply.status == 401 and "may not exceed 20 for anonymous" in json.loads(reply.body)["detail"]


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"license": "by,free"}, "license"),
        ({"license_type": "nice"}, "license_type"),
        ({"page": "two"}, "page"),
        ({"page_size": 0}, "page_size"),
        ({"source": "flickr", "excluded_source": "flickr"}, "excluded_source"),
    ],
)
def test_bad_parameters_answer_400_and_name_the_field(
    fast: RunningSite, parameters: dict[str, Any], field: str
) -> None:
    reply = images(fast, q="nine", **parameters)
    assert reply.status == 400
    assert list(json.loads(reply.body)["detail"]) == [field]


@pytest.mark.parametrize(
    ("parameters", "name", "values"),
    [
        ({"license": "by,cc0"}, "license", {"by", "cc0"}),
        ({"license_type": "commercial,modification"}, "license", {"by", "by-sa", "cc0", "pdm"}),
        ({"source": "wikimedia"}, "source", {"wikimedia"}),
        ({"excluded_source": "flickr,wikimedia"}, "provider", {"inaturalist"}),
    ],
)
def test_filters_leave_what_was_asked_for(
    fast: RunningSite, parameters: dict[str, Any], name: str, values: set[str]
) -> None:
    seen = {one[name] for one in json.loads(images(fast, q="five", **parameters).body)["results"]}
    assert seen and seen <= values


def test_counts_are_not_exact_and_landing_pages_are_those_of_the_sources(
    fast: RunningSite, site: PhotoSite
) -> None:
    wrong = 0
    for name in site.classes:
        results, page, count = [], 1, 0
        while page <= 12:
            block = json.loads(images(fast, q=name, license="by-nc,by", page=page).body)
            results, count, page = results + block["results"], block["result_count"], page + 1
            if len(block["results"]) < 20:
                break
        wrong += count != len(results)
        assert abs(count - len(results)) <= 0.06 * len(results) + 1
    assert wrong > 3
    starts = {
        "flickr": "https://www.flickr.com/photos/",
        "wikimedia": "https://commons.wikimedia.org/w/index.php?curid=",
        "inaturalist": "https://www.inaturalist.org/photos/",
    }
    keys = {"flickr": "flickr", "wikimedia": "commons", "inaturalist": "inaturalist"}
    for source, start in starts.items():
        for one in json.loads(images(fast, q="six", source=source).body)["results"][:4]:
            assert one["foreign_landing_url"].startswith(start)
            photo_id = one["foreign_landing_url"].replace("=", "/").rpartition("/")[2]
            assert site.identity("openverse", one["id"]) == site.identity(keys[source], photo_id)
            for address in (one["url"], one["thumbnail"]):
                # Lasting faults are listed too: the index is behind.
                assert get(address).status in (200, 302, 404)


def test_details_exist_for_what_is_listed_and_404_for_others(fast: RunningSite) -> None:
    one = json.loads(images(fast, q="eight").body)["results"][0]
    detail = json.loads(get(one["detail_url"]).body)
    assert detail | {"fields_matched": []} == one | {"fields_matched": []}
    assert get(f"{fast.base_url}/v1/images/0f6e0f0a-0000-4000-8000-000000000000/").status == 404


def test_clients_beyond_their_limit_are_told_when_to_come_back() -> None:
    # Its minute lasts ten of ours, so that all requests fall into one, however slow the machine is.
    site = PhotoSite.build(PhotoSiteConfig(per_class=4), NO_FAULTS, rules=SiteRules(speed=0.1))
    with running(site) as served:
        replies = [images(served, q="nine") for _ in range(22)]
        assert [reply.status for reply in replies] == [200] * 20 + [429] * 2
        assert replies[19].headers["x-ratelimit-available-anon_burst"] == "0"
        seconds = int(replies[-1].headers["Retry-After"])
        assert 1 <= seconds <= 600
        assert f"Expected available in {seconds} second" in json.loads(replies[-1].body)["detail"]
        token = json.loads(token_of(served).body)["access_token"]
        assert images(served, token, q="nine").status == 200
        used = json.loads(ask(served, "/v1/rate_limit/", {"Authorization": f"Bearer {token}"}).body)
        assert (used["requests_this_minute"], used["requests_today"]) == (1, 1)


def test_only_known_clients_get_tokens_and_only_tokens_count() -> None:
    site = PhotoSite.build(PhotoSiteConfig(per_class=4, api_key="mine"), NO_FAULTS)
    with running(site) as served:
        assert token_of(served).status == 200
        assert json.loads(token_of(served, client_secret="guessed").body) == {"error": "invalid_client"}
        assert token_of(served, grant_type="password").status == 400
        assert images(served, "made-up", q="nine").status == 401
        assert ask(served, "/v1/rate_limit/").status == 403
