"""Wikimedia Commons over real connections on loopback: search, file information, files and errors."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.web.server import RunningSite, running
from rawlabel_photo_site.world.photos import Fault
from rawlabel_photo_site.world.rates import FaultRates
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.site_client import ask, commons, get

pytestmark = pytest.mark.integration


def walk(served: RunningSite, search: str, limit: int = 50) -> Iterator[dict[str, Any]]:
    more: dict[str, Any] = {}
    while True:
        reply = commons(served, gsrsearch=search, gsrlimit=limit, iiprop="url|mime|extmetadata", **more)
        pages = reply.get("query", {}).get("pages", [])
        assert [page["pageid"] for page in pages] == sorted(page["pageid"] for page in pages)
        yield from sorted(pages, key=lambda page: page["index"])
        if "continue" not in reply:
            return
        more = {name: value for name, value in reply["continue"].items() if name != "continue"}


def test_continuing_a_search_gives_each_file_once_in_the_order_of_its_rank(
    served: RunningSite, site: PhotoSite
) -> None:
    pages = list(walk(served, "nine", 40))
    assert [page["index"] for page in pages] == list(range(1, len(pages) + 1))
    assert len({page["pageid"] for page in pages}) == len(pages) > 80
    kinds = {page["imageinfo"][0]["mime"] for page in pages if "imageinfo" in page}
    assert kinds == {"image/jpeg", "application/pdf", "image/svg+xml", "audio/ogg", "image/vnd.djvu"}
    contents = site.truth()["contents"]
    shown = [
        contents[site.identity("commons", str(page["pageid"]))]
        for page in pages
        if page.get("imageinfo", [{}])[0].get("mime") == "image/jpeg"
    ]
    assert 0.4 < shown.count("nine") / len(shown) < 0.8
    assert {
        page["imageinfo"][0]["mime"] for page in walk(served, "nine filetype:bitmap") if "imageinfo" in page
    } == {"image/jpeg"}
    only = list(walk(served, "nine filemime:application/pdf"))
    assert only and all(page["title"].endswith(".pdf") for page in only)


def test_digest_size_and_dimensions_are_those_of_the_original(served: RunningSite, site: PhotoSite) -> None:
    healthy = [file for file in site.holdings.commons if file.photo is not None and file.photo.fault is None]
    documents = [file for file in site.holdings.commons if file.photo is None]
    for file in (*healthy[:4], *healthy[-4:], *documents[:4]):
        info = commons(served, pageids=file.page_id)["query"]["pages"][0]["imageinfo"][0]
        reply = get(info["url"])
        assert (len(reply.body), reply.headers.get_content_type()) == (info["size"], info["mime"])
        assert info["sha1"] == hashlib.sha1(reply.body).hexdigest()
        if file.photo is None:
            continue
        with Image.open(io.BytesIO(reply.body)) as image:
            assert image.size == (info["width"], info["height"])
        with Image.open(io.BytesIO(get(info["thumburl"]).body)) as image:
            assert image.size == (info["thumbwidth"], info["thumbheight"])
            assert image.width == 120


def test_metadata_is_html_with_many_spellings_of_few_licenses(served: RunningSite, site: PhotoSite) -> None:
    pages = [page for page in walk(served, "two", 500) if "imageinfo" in page]
    fields = [page["imageinfo"][0]["extmetadata"] for page in pages]
    assert len({one["LicenseShortName"]["value"] for one in fields}) >= 8
    assert {one["AttributionRequired"]["value"] for one in fields} == {"true", "false"}
    assert all(set(value) == {"value", "source"} for one in fields for value in one.values())
    assert any("LicenseUrl" not in one for one in fields)
    credited = [match for one in fields if (match := re.search(r'href="([^"]+)"', one["Credit"]["value"]))]
    assert credited
    for match in credited:
        owner, photo_id = re.fullmatch(r"https://www\.flickr\.com/photos/([^/]+)/(\d+)", match[1]).groups()  # type: ignore[union-attr]
        assert site.by_id[photo_id].owner.nsid == owner


def test_lookups_say_which_files_are_missing(served: RunningSite, site: PhotoSite) -> None:
    removed = next(file for file in site.holdings.commons if file.photo and file.photo.fault is Fault.REMOVED)
    there = next(file for file in site.holdings.commons if file.photo and file.photo.fault is None)
    query = commons(served, titles=f"{there.title.replace(' ', '_')}|{removed.title}|File:Never there.jpg")[
        "query"
    ]
    assert query["normalized"][0]["to"] == there.title
    assert [page.get("missing", False) for page in query["pages"]] == [False, True, True]
    pages = commons(served, pageids=f"{there.page_id}|{removed.page_id}|1")["query"]["pages"]
    assert [page.get("missing", False) for page in pages] == [False, True, True]
    assert "imageinfo" in pages[0]
    found = {page["pageid"]: page for page in walk(served, f'"{removed.caption.tags[0]}"', 500)}
    assert found.get(removed.page_id, {"missing": True})["missing"] is True


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"gsrsearch": "nine", "gsroffset": 10_000}, "cirrussearch-offset-too-large"),
        ({"gsrsearch": "nine", "gsrlimit": "many"}, "badinteger"),
        ({"generator": "search", "gsrnamespace": 6}, "missingparam"),
        ({"action": "explode"}, "badvalue"),
        ({"pageids": "|".join(map(str, range(1, 60)))}, "toomanyvalues"),
    ],
)
def test_errors_come_with_status_200_a_code_and_a_header(
    served: RunningSite, parameters: dict[str, Any], code: str
) -> None:
    assert commons(served, **parameters)["error"]["code"] == code
    if parameters.get("action") == "explode":
        reply = ask(served, "/w/api.php", action="explode")
        assert (reply.status, reply.headers["MediaWiki-API-Error"]) == (200, code)


def test_a_search_ends_at_the_offset_limit_and_passing_errors_pass() -> None:
    faults = FaultRates(0, 0, api_unavailable=1.0)
    site = PhotoSite.build(PhotoSiteConfig(per_class=30), faults, rules=SiteRules(commons_results=10))
    with running(site) as served:
        codes = {
            commons(served, gsrsearch=name, maxlag=5, iiprop="mime")["error"]["code"] for name in site.classes
        }
        assert codes <= {"maxlag", "ratelimited"} and "maxlag" in codes
        first = commons(served, gsrsearch="one", maxlag=5, gsrlimit=7, iiprop="mime")
        assert first["error"]["info"]
        first = commons(served, gsrsearch="one", maxlag=5, gsrlimit=7, iiprop="mime")
        assert first["continue"]["gsroffset"] == 7
        for _ in range(2):
            rest = commons(served, gsrsearch="one", gsrlimit=7, gsroffset=7, iiprop="mime")
        assert len(rest["query"]["pages"]) == 3 and "continue" not in rest


@pytest.mark.parametrize(
    ("agent", "api", "original"),
    [
        ("python-requests/2.32", 403, 429),
        ("", 403, 429),
        ("my-script", 200, 429),
        ("my-script/1 (https://example.org/me)", 200, 200),
        ("my-script/1 (me@example.org) aiohttp/3.10", 200, 200),
    ],
)
def test_who_does_not_say_who_they_are_is_refused(
    served: RunningSite, site: PhotoSite, agent: str, api: int, original: int
) -> None:
    file = next(file for file in site.holdings.commons if file.photo and file.photo.fault is None)
    reply = ask(served, "/w/api.php", {"User-Agent": agent}, action="query", format="json", pageids=file.page_id)
    assert reply.status == api
    info = commons(served, pageids=file.page_id)["query"]["pages"][0]["imageinfo"][0]
    assert get(info["url"], User_Agent=agent).status == original
    assert get(info["thumburl"], User_Agent=agent).status == 200
