"""Flickr at the size of millions of photos: times, totals, caps, filters and speed."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from rawlabel_photo_site.bulk.bulk import BulkSite
from rawlabel_photo_site.bulk.bulk_api import BulkApi
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.sizes import SIZES
from tests.helpers.site_client import call

COUNTS = {"great white shark": 6000, "snail": 43_742, "wagon": 20_000, 'odd "50% off"': 30}
EXTRAS = ",".join(
    ["license", "owner_name", "date_upload", "date_taken", "tags", *(f"url_{size.name}" for size in SIZES)]
)


@pytest.fixture(scope="module")
def bulk() -> BulkSite:
    return BulkSite(COUNTS, seed=3)


def search(site: BulkSite, **parameters: Any) -> dict[str, Any]:
    values = {"method": "flickr.photos.search", "api_key": "k", "format": "json", **parameters}
    reply = json.loads(BulkApi(site).answer({name: str(value) for name, value in values.items()}, "http://h"))
    assert reply["stat"] == "ok"
    return dict(reply["photos"])


def walk(site: BulkSite, **parameters: Any) -> list[dict[str, Any]]:
    photos: list[dict[str, Any]] = []
    for page in range(1, 200):
        found = search(site, per_page=500, page=page, **parameters)["photo"]
        photos += found
        if len(found) < 500:
            return photos
    raise AssertionError("the pages do not end")


def test_slices_of_time_with_inclusive_bounds_add_up_to_the_truth(bulk: BulkSite) -> None:
    times = bulk.uploads("snail").times
    edges = [int(times[0]), *(int(edge) for edge in np.quantile(times, np.arange(1, 20) / 20)), int(times[-1]) + 1]
    found = [
        photo["id"]
        for low, high in itertools.pairwise(edges)
        for photo in walk(
            bulk, text="Snail", min_upload_date=low, max_upload_date=high - 1, sort="date-posted-asc"
        )
    ]
    assert sorted(found) == sorted(bulk.ids("snail"))
    assert len(set(found)) == 43_742
    licenses = ",".join(map(str, range(8)))
    narrow = {"text": "snail", "min_upload_date": edges[3], "max_upload_date": edges[3]}
    assert int(search(bulk, **narrow, license=licenses)["total"] or 0) <= int(search(bulk, **narrow)["total"])


def test_ids_rise_with_time_and_times_are_uneven(bulk: BulkSite) -> None:
    for keyword in ("snail", "wagon", "great white shark"):
        uploads = bulk.uploads(keyword)
        assert (np.diff(uploads.ids) > 0).all() and (np.diff(uploads.times) >= 0).all()
        years = Counter(datetime.fromtimestamp(moment, UTC).year for moment in uploads.times.tolist())
        assert min(years) >= 2004 and max(years) == 2019
        assert years[2013] > 3 * years[2005]
        largest = max(Counter(uploads.times.tolist()).values())
        assert 250 <= largest <= 700
    assert set(np.unique(bulk.uploads("snail").licenses)) == set(range(17))


def test_a_second_can_hold_more_than_a_query_returns() -> None:
    site = BulkSite({"snail": 30_000}, seed=1, largest_burst=1500, max_results=1000)
    moment, count = Counter(site.uploads("snail").times.tolist()).most_common(1)[0]
    assert count >= 1500
    one = {"text": "snail", "min_upload_date": moment, "max_upload_date": moment}
    assert int(search(site, **one)["total"]) == count
    assert len({photo["id"] for photo in walk_to(site, 6, **one)}) == 1000
    split = {photo["id"] for license_id in range(17) for photo in walk_to(site, 3, **one, license=license_id)}
    assert len(split) == count


def walk_to(site: BulkSite, pages: int, **parameters: Any) -> list[dict[str, Any]]:
    return [
        photo
        for page in range(1, pages + 1)
        for photo in search(site, per_page=500, page=page, **parameters)["photo"]
    ]


def test_a_few_photos_answer_to_two_keywords(bulk: BulkSite) -> None:
    ids = {keyword: set(bulk.ids(keyword)) for keyword in COUNTS}
    assert {keyword: len(found) for keyword, found in ids.items()} == COUNTS
    shared = ids["snail"] & ids['odd "50% off"'] or ids["great white shark"] & ids["wagon"]
    assert 0 < len(shared) <= 0.03 * 6000
    one, other = bulk.uploads("great white shark"), bulk.uploads("wagon")
    both = int(min(shared))
    rows = int(np.searchsorted(one.ids, both)), int(np.searchsorted(other.ids, both))
    assert one.times[rows[0]] == other.times[rows[1]] and one.owners[rows[0]] == other.owners[rows[1]]


@pytest.mark.parametrize("sort", ["relevance", "date-posted-asc", "date-posted-desc"])
def test_after_the_cap_the_last_page_repeats(bulk: BulkSite, sort: str) -> None:
    pages = [
        [photo["id"] for photo in search(bulk, text="snail", sort=sort, per_page=500, page=page)["photo"]]
        for page in (1, 8, 9, 50)
    ]
    assert pages[1] == pages[2] == pages[3] != pages[0]
    assert [len(page) for page in pages] == [500] * 4


def test_totals_are_noisy_within_bounds_and_the_same_for_each_page() -> None:
    site = BulkSite({"snail": 20_000}, seed=0, count_noise=0.1)
    times = site.uploads("snail").times
    errors = []
    for edge in np.quantile(times, np.arange(1, 40) / 40):
        exact = int(np.searchsorted(times, int(edge), side="right"))
        claims = {
            int(search(site, text="snail", max_upload_date=int(edge), page=page)["total"]) for page in (1, 2, 9)
        }
        assert len(claims) == 1
        errors.append(claims.pop() / exact - 1)
    assert max(map(abs, errors)) <= 0.101
    assert max(errors) > 0.05 and min(errors) < -0.05
    assert search(BulkSite({"snail": 20_000}, seed=0), text="snail")["total"] in (20_000, "20000")


def test_entries_have_the_extras_asked_for_and_odd_keywords_are_plain_text(bulk: BulkSite) -> None:
    block = search(bulk, text='odd "50% off"', extras=EXTRAS, per_page=500)
    assert len(block["photo"]) == 30
    for photo in block["photo"]:
        assert photo["tags"] == "odd 50% off"
        assert photo["url_m"] == f"http://h/{photo['server']}/{photo['id']}_{photo['secret']}.jpg"
        assert max(photo["width_m"], photo["height_m"]) == 500
        assert all(isinstance(photo[name], str) for name in ("license", "dateupload", "ownername", "owner"))
    assert any("url_k" not in photo for photo in block["photo"])
    assert search(bulk, text="unheard of")["photo"] == []


@pytest.mark.integration
def test_served_like_the_small_site_with_its_errors(bulk: BulkSite) -> None:
    with running(bulk) as served:
        assert len(call(served, text="wagon", per_page=500)["photos"]["photo"]) == 500
        assert failure(served, text=None) == 3
        assert failure(served, text="wagon", min_upload_date="yesterday") == 18
        assert failure(served, method="flickr.nonsense") == 112
        assert failure(served, text="wagon", api_key="") == 100
        assert len(call(served, method="flickr.photos.licenses.getInfo")["licenses"]["license"]) == 17
        assert served.requests == {"api": 6}


def failure(served: RunningSite, **parameters: Any) -> int:
    reply = call(served, **parameters)
    assert reply["stat"] == "fail"
    return int(reply["code"])


def test_a_page_of_five_hundred_is_made_about_as_fast_as_read_and_a_million_photos_fit(
    bulk: BulkSite,
) -> None:
    large = BulkSite({f"keyword {number}": 10_000 for number in range(100)})
    parameters = {
        "method": "flickr.photos.search", "api_key": "k", "format": "json", "text": "keyword 7", "per_page": "500",
        "extras": EXTRAS, "sort": "relevance",
    }  # fmt: skip
    api = BulkApi(large)
    api.answer(parameters, "http://h")
    answering, reading = [], []
    for page in range(2, 8):
        started = time.thread_time()
        answer = api.answer({**parameters, "page": str(page)}, "http://h")
        answered = time.thread_time()
        json.loads(answer)
        answering.append(answered - started)
        reading.append(time.thread_time() - answered)
    # In processor time, and beside what a client takes to read the reply: machines differ, and are busy.
    assert min(answering) < 10 * min(reading)
    uploads = large.uploads("keyword 7")
    size = sum(values.nbytes for values in (uploads.times, uploads.ids, uploads.owners, uploads.licenses))
    assert size / 10_000 <= 25
