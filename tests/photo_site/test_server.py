"""The API, the image host and the pages over real connections on loopback."""

from __future__ import annotations

import html.parser
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import ConfigError
from rawlabel_photo_site.pictures.digits import DigitCollection
from rawlabel_photo_site.web.server import RunningSite, running, serve
from rawlabel_photo_site.world.photos import Fault
from rawlabel_photo_site.world.population import compose
from rawlabel_photo_site.world.rates import NO_FAULTS, FaultRates
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME
from tests.helpers.ports import free_port
from tests.helpers.site_client import call, get, search_all

pytestmark = pytest.mark.integration
BASIC = {"id", "owner", "secret", "server", "farm", "title", "ispublic", "isfriend", "isfamily"}


def test_search_reply_has_the_envelope_and_the_types_of_the_real_api(served: RunningSite) -> None:
    extras = "description,license,date_upload,date_taken,owner_name,tags,views,o_dims,url_m,url_sq"
    reply = call(served, text="nine", sort="relevance", extras=extras, per_page=500)
    assert reply["stat"] == "ok"
    block = reply["photos"]
    assert (block["page"], block["pages"], block["perpage"], int(block["total"])) == (1, 1, 500, 300)
    for photo in block["photo"]:
        for name in (
            "id",
            "owner",
            "secret",
            "server",
            "title",
            "license",
            "dateupload",
            "ownername",
            "tags",
            "views",
        ):
            assert isinstance(photo[name], str)
        assert isinstance(photo["farm"], int)
        assert isinstance(photo["description"]["_content"], str)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", photo["datetaken"])
        assert photo["datetakenunknown"] in ("0", "1")
        if "url_m" in photo:
            assert max(photo["width_m"], photo["height_m"]) == 500
            assert re.fullmatch(
                rf"{served.base_url}/{photo['server']}/{photo['id']}_{photo['secret']}\.jpg", photo["url_m"]
            )
    assert {type(photo["datetakengranularity"]) for photo in block["photo"]} == {int, str}
    assert {photo["datetakenunknown"] for photo in block["photo"]} == {"0", "1"}
    assert any("o_width" not in photo for photo in block["photo"])


@pytest.mark.parametrize(
    ("extras", "added"),
    [
        (None, set()),
        ("license", {"license"}),
        ("url_sq,nonsense, tags", {"url_sq", "width_sq", "height_sq", "tags"}),
        ("date_taken", {"datetaken", "datetakengranularity", "datetakenunknown"}),
    ],
)
def test_extras_are_exactly_those_asked_for(served: RunningSite, extras: str | None, added: set[str]) -> None:
    photos = call(served, text="two", per_page=50, extras=extras)["photos"]["photo"]
    assert {frozenset(photo) - BASIC for photo in photos} <= {
        frozenset(added),
        frozenset(added - {"url_sq", "width_sq", "height_sq"}),
    }
    assert frozenset(BASIC | added) in {frozenset(photo) for photo in photos}


def test_total_is_a_number_or_a_string_and_empty_when_nothing_is_found(served: RunningSite) -> None:
    totals = [
        call(served, text=name)["photos"]["total"] for name in ("one", "two", "three", "four", "five", "six")
    ]
    totals += [call(served, text="one", page=page)["photos"]["total"] for page in (2, 3)]
    assert {type(total) for total in totals} == {int, str}
    assert {int(total) for total in totals} == {300}
    nothing = [call(served, text=f"xyzzy{number}")["photos"] for number in range(20)]
    assert {block["total"] for block in nothing} == {0, ""}
    assert all(block["photo"] == [] and block["pages"] == 0 for block in nothing)


@pytest.mark.parametrize("sort", ["relevance", "date-posted-asc", "date-posted-desc", None])
def test_pages_add_up_to_the_total_in_the_order_asked_for(served: RunningSite, sort: str | None) -> None:
    photos = search_all(served, text="seven", sort=sort, per_page=77, extras="date_upload")
    assert len({photo["id"] for photo in photos}) == len(photos) == 300
    times = [int(photo["dateupload"]) for photo in photos]
    if sort != "relevance":
        assert times == sorted(times, reverse=sort != "date-posted-asc")
    else:
        assert times != sorted(times) and times != sorted(times, reverse=True)
    assert call(served, text="seven", sort=sort, per_page=77, page=5)["photos"]["photo"] == []


def test_per_page_is_a_hundred_by_default_and_five_hundred_at_most(served: RunningSite) -> None:
    assert call(served, text="one")["photos"]["perpage"] == 100
    assert call(served, text="one", per_page=9999)["photos"]["perpage"] == 500
    # Python refuses to read a number of more than 4,300 digits.
    for junk in ("junk", -2, 0, "9" * 5000):
        assert call(served, text="one", per_page=junk)["photos"]["perpage"] == 100
        assert call(served, text="one", page=junk)["photos"]["page"] == 1
    assert get(f"{served.base_url}/?text=one&page={'9' * 5000}").status == 200


def test_after_the_cap_the_api_repeats_the_last_page_while_pages_counts_on() -> None:
    site = PhotoSite.build(PhotoSiteConfig(per_class=60), NO_FAULTS, max_results=40)
    with running(site) as served:
        pages = [
            [photo["id"] for photo in call(served, text="six", per_page=15, page=page)["photos"]["photo"]]
            for page in range(1, 7)
        ]
        block = call(served, text="six", per_page=15, page=6)["photos"]
    assert [len(page) for page in pages] == [15, 15, 10, 10, 10, 10]
    assert pages[2] == pages[3] == pages[5]
    assert (block["page"], block["pages"], int(block["total"])) == (6, 4, 60)


def test_the_cap_is_four_thousand_for_a_query_and_dates_reach_the_rest() -> None:
    class Fours(DigitCollection):
        classes = ("four",)

    config, collection = PhotoSiteConfig(per_class=4100, noise=0.0), Fours(seed=0)
    site = PhotoSite(config, collection, compose(collection, config), NO_FAULTS)
    with running(site) as served:
        everything = [
            photo["id"]
            for page in range(1, 11)
            for photo in call(served, text="four", per_page=500, page=page, sort="date-posted-asc")["photos"][
                "photo"
            ]
        ]
        assert len(everything) == 5000
        assert len(set(everything)) == 4000
        last = site.by_id[everything[-1]].uploaded
        rest = search_all(served, text="four", per_page=500, min_upload_date=last)
    assert len(set(everything) | {photo["id"] for photo in rest}) == 4100


def test_date_bounds_are_inclusive(served: RunningSite) -> None:
    times = sorted(
        int(photo["dateupload"]) for photo in search_all(served, text="eight", per_page=500, extras="date_upload")
    )
    low, high = times[40], times[200]
    inside = search_all(served, text="eight", per_page=500, min_upload_date=low, max_upload_date=high)
    assert len(inside) == sum(low <= moment <= high for moment in times)
    exact = call(served, text="eight", min_upload_date=low, max_upload_date=low)["photos"]
    assert int(exact["total"]) == times.count(low)
    as_date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(low))
    assert int(call(served, text="eight", max_upload_date=as_date)["photos"]["total"]) == 41


def test_filters_by_license_tags_excluded_words_and_media(served: RunningSite, site: PhotoSite) -> None:
    free = search_all(served, text="five", license="4,9", extras="license", per_page=500)
    assert free and {photo["license"] for photo in free} == {"4", "9"}
    assert len(search_all(served, text="five", licence="4", per_page=500)) == 300
    some = {photo["id"] for photo in search_all(served, tags="five,bokeh", per_page=500)}
    every = {photo["id"] for photo in search_all(served, tags="five,bokeh", tag_mode="all", per_page=500)}
    tags = {photo.photo_id: set(photo.caption.tags) for photo in site.photos}
    assert some == {key for key, values in tags.items() if values & {"five", "bokeh"}}
    assert every == {key for key, values in tags.items() if values >= {"five", "bokeh"}}
    without = {photo["id"] for photo in search_all(served, text="FIVE -bokeh", per_page=500)}
    assert without and not any("bokeh" in tags[key] for key in without)
    assert call(served, text="five", media="videos")["photos"]["photo"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"api_key": None, "text": "one"}, 100),
        ({"api_key": "", "text": "one"}, 100),
        ({}, 3),
        ({"text": "   "}, 3),
        ({"method": "flickr.photos.nonsense"}, 112),
        ({"format": "xml", "text": "one"}, 111),
        ({"text": "one", "min_upload_date": "yesterday"}, 18),
    ],
)
def test_errors_come_with_status_200_and_a_code(served: RunningSite, changes: dict[str, Any], code: int) -> None:
    reply = call(served, **changes)
    assert (reply["stat"], reply["code"]) == ("fail", code)
    assert reply["message"]


def test_a_demanded_key_is_checked() -> None:
    site = PhotoSite.build(PhotoSiteConfig(per_class=3, api_key="secret"), NO_FAULTS)
    with running(site) as served:
        refused = call(served, text="one")
        assert (refused["code"], refused["message"]) == (100, "Invalid API Key (Key has invalid format)")
        assert call(served, text="one", api_key="secret")["stat"] == "ok"


def test_licenses_echo_and_the_callback_wrapper(served: RunningSite) -> None:
    licenses = call(served, method="flickr.photos.licenses.getInfo")["licenses"]["license"]
    assert [entry["id"] for entry in licenses] == list(range(17))
    assert call(served, method="flickr.test.echo", word="täg")["word"] == {"_content": "täg"}
    reply = get(f"{served.base_url}/services/rest?method=flickr.test.echo&api_key=k&format=json")
    wrapped = re.fullmatch(rb"jsonFlickrApi\((.*)\)", reply.body)
    assert wrapped and json.loads(wrapped[1])["stat"] == "ok"


def test_a_healthy_image_has_the_headers_of_the_real_host(served: RunningSite, site: PhotoSite) -> None:
    photo = next(photo for photo in site.photos if photo.fault is None and photo.offers(BY_NAME["s"]))
    reply = get(served.base_url + photo.image_path(BY_NAME["s"]))
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert reply.headers["Content-Length"] is None
    assert reply.headers["Content-Type"] == "image/jpeg"
    assert re.fullmatch(r'"[0-9a-f]{32}\.1"', reply.headers["ETag"])
    assert reply.headers["Last-Modified"].endswith("GMT")
    with Image.open(io.BytesIO(reply.body)) as image:
        assert (str(image.width), str(image.height)) == (reply.headers["imagewidth"], reply.headers["imageheight"])
    other_secret = photo.image_path(BY_NAME["s"]).replace(photo.secret(BY_NAME["s"]), "0123456789")
    for path in (other_secret, photo.image_path(BY_NAME["s"]).replace("_m.", "_x."), "/12/junk.jpg"):
        missing = get(served.base_url + path)
        assert (missing.status, path == "/12/junk.jpg" or missing.body) in ((404, b""), (404, True))


def address(served: RunningSite, site: PhotoSite, fault: Fault) -> list[str]:
    photos = [photo for photo in site.photos if photo.fault is fault]
    return [served.base_url + photo.image_path(BY_NAME[max(photo.sizes())]) for photo in photos]


def test_removed_photos_redirect_to_a_real_picture(served: RunningSite, site: PhotoSite) -> None:
    bodies = set()
    for url in address(served, site, Fault.REMOVED)[:5]:
        reply = get(url)
        assert (reply.status, reply.headers["Location"]) == (302, "/pw/images/en-us/photo_unavailable_l.png")
        picture = get(served.base_url + reply.headers["Location"])
        assert (picture.status, picture.headers["Content-Type"]) == (200, "image/png")
        bodies.add(picture.body)
    assert len(bodies) == 1
    assert Image.open(io.BytesIO(bodies.pop())).format == "PNG"


def test_missing_truncated_corrupt_and_tiny_photos_answer_as_such(served: RunningSite, site: PhotoSite) -> None:
    for url in address(served, site, Fault.MISSING):
        assert (get(url).status, get(url).body) == (404, b"")
    for url in address(served, site, Fault.TRUNCATED)[:5]:
        reply = get(url)
        assert reply.body.startswith(b"\xff\xd8") and not reply.body.endswith(b"\xff\xd9")
        assert int(reply.headers["Content-Length"]) == len(reply.body)
        with pytest.raises(OSError, match="truncated"):
            Image.open(io.BytesIO(reply.body)).load()
    types = set()
    for url in address(served, site, Fault.CORRUPT):
        reply = get(url)
        assert reply.status == 200 and not reply.body.startswith(b"\xff\xd8")
        types.add(reply.headers.get_content_type())
    assert types == {"text/html", "image/jpeg"}
    for url in address(served, site, Fault.TINY):
        assert max(Image.open(io.BytesIO(get(url).body)).size) < 32


def test_passing_faults_hit_the_first_request_only_and_the_same_photos_each_time() -> None:
    site = PhotoSite.build(PhotoSiteConfig(per_class=30), FaultRates(0.1, 0.1, 0.5))
    healthy = [photo for photo in site.photos if photo.fault is None and photo.offers(BY_NAME["sq"])][:120]
    rounds = []
    for _ in range(2):
        with running(site) as served:
            urls = [photo.image_path(BY_NAME["sq"]) for photo in healthy]
            first = [get(served.base_url + url) for url in urls]
            rounds.append([reply.status for reply in first])
            assert all(reply.headers["Retry-After"] == "1" for reply in first if reply.status == 429)
            assert {get(served.base_url + url).status for url in urls} == {200}
            calls = [{"text": "one", "page": page} for page in range(1, 25)]
            codes = {call(served, **query).get("code") for query in calls}
            assert codes == {None, 105, 201}
            assert {call(served, **query)["stat"] for query in calls} == {"ok"}
    assert rounds[0] == rounds[1]
    assert 3 < rounds[0].count(503) < 25 and 3 < rounds[0].count(429) < 25


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_titles_exist_and_are_plain_text_on_the_pages(served: RunningSite, site: PhotoSite) -> None:
    titles = [photo.caption.title for photo in site.photos]
    for mark in ("<script>", "=HYPERLINK", "\n", "\u202e", "🌻", "onerror", "../"):
        assert any(mark in title for title in titles)
    assert max(map(len, titles)) > 1000
    hostile = next(photo for photo in site.photos if "<script>" in photo.caption.title)
    pages = [f"/photos/{hostile.owner.nsid}/{hostile.photo_id}", "/?text=script+alert", '/?text="><script>']
    for path in pages:
        reply = get(served.base_url + path.replace('"', "%22").replace("<", "%3C").replace(">", "%3E"))
        page = _Tags()
        page.feed(reply.body.decode())
        assert reply.status == 200
        assert "script" not in page.tags and "onerror" not in page.attributes
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert "<script>" in page.text or "%3C" in path or path == pages[2]


def test_browse_page_leads_to_photos_and_next_pages(served: RunningSite) -> None:
    page = get(f"{served.base_url}/?text=nine").body.decode()
    assert "300 photos of nine" in page
    thumbnails = re.findall(r'src="(/\d+/[^"]+\.jpg)"', page)
    links = re.findall(r'href="(/photos/[^"]+)"', page)
    assert len(thumbnails) == len(links) == 48
    assert get(served.base_url + links[0]).status == 200
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following and get(served.base_url + html.unescape(following[1])).body.decode().count("<li>") == 48
    assert get(f"{served.base_url}/photos/nobody/1").status == 404


def test_truth_endpoint_and_counters_of_requests() -> None:
    site = PhotoSite.build(PhotoSiteConfig(per_class=5), NO_FAULTS)
    # A port that nobody is given by chance, who would answer once the site is away.
    with running(site, port=free_port()) as served:
        assert json.loads(get(f"{served.base_url}/truth.json").body) == site.truth()
        call(served, text="one")
        get(served.base_url + site.photos[0].image_path(BY_NAME["sq"]))
        get(f"{served.base_url}/nothing/here")
        assert served.requests == {"truth": 1, "api": 1, "image": 1, "other": 1}
        first = served.base_url
    with pytest.raises(OSError, match="refused"):
        get(first)


def test_only_loopback_addresses_and_free_ports_are_taken() -> None:
    site = PhotoSite.build(PhotoSiteConfig(per_class=2), NO_FAULTS)
    with running(site) as served, pytest.raises(ConfigError, match=r"--port .* in use"):
        port = int(served.base_url.rpartition(":")[2])
        with running(site, port=port):
            pass
    for host in ("0.0.0.0", "192.168.1.5", "example.org"):
        with pytest.raises(ConfigError, match=f"--host {re.escape(host)} is not a loopback"):
            serve(PhotoSiteConfig(host=host), print)


_PROGRAM = """
import signal, sys
from pathlib import Path
from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.web.server import serve
numbers = (signal.SIGINT, signal.SIGTERM)
before = [signal.getsignal(number) for number in numbers]
files = dict(zip(("truth", "write_test_set"), map(Path, sys.argv[1:])))
serve(PhotoSiteConfig(port=0, per_class=4, **files), lambda line: print(line, flush=True))
print("returned", [signal.getsignal(number) for number in numbers] == before, flush=True)
"""


@pytest.mark.parametrize(("number", "writes_test_set"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_the_command_writes_its_files_announces_its_addresses_and_returns_on_a_signal(
    number: signal.Signals, writes_test_set: bool, tmp_path: Path
) -> None:
    files = [tmp_path / "truth.json", tmp_path / "test"][: 1 + writes_test_set]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM, *map(str, files)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        base_url = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert base_url is not None
        assert get(f"{base_url[0]}/truth.json").body
        entrances = [process.stdout.readline().split()[-1] for _ in range(4)]
        queries = (
            "method=flickr.test.echo&api_key=k&format=json",
            "action=query&format=json",
            "q=one",
            "per_page=1",
        )
        replies = [get(f"{address}?{query}") for address, query in zip(entrances, queries, strict=True)]
        assert [reply.status for reply in replies] == [200] * 4
        process.send_signal(number)
        output, errors = process.communicate(timeout=240)
    assert (process.returncode, output, errors) == (0, "returned True\n", "")
    assert len(json.loads(files[0].read_text())["photos"]) > 30
    assert len(list(tmp_path.rglob("*.jpg"))) == (599 if writes_test_set else 0)


def test_a_block_that_fails_leaves_no_thread_behind() -> None:
    site = PhotoSite.build(PhotoSiteConfig(per_class=2), NO_FAULTS)
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError), running(site):
        assert len(set(threading.enumerate()) - before) >= 1
        1 / 0  # noqa: B018
    assert set(threading.enumerate()) <= before
