"""What every source must do. Sources are found by themselves; see `source_simulators` for what a new one needs."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import CollectConfig
from rawlabel.errors import SourceError
from rawlabel.gather.collect.http.api import Explain
from rawlabel.gather.collect.session import Session, requested_classes, requested_sources
from rawlabel.gather.collect.source import Page, Search, Source, SourceContext
from rawlabel.records import Photo
from rawlabel_photo_site.world.site import PhotoSite
from tests.helpers.faulty_site import json_values, served
from tests.helpers.source_simulators import SECRETS, Simulator, photo_site, simulator

__all__ = ["photo_site"]

pytestmark = pytest.mark.integration
NAMES = families.names(Family.SOURCE)
OVER_THE_NETWORK = [name for name in NAMES if families.load(Family.SOURCE, name).base_url]
every_source = pytest.mark.parametrize("name", NAMES)
every_site = pytest.mark.parametrize("name", OVER_THE_NETWORK)
MOST_PAGES = 60


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def opened(simulated: Simulator) -> AsyncIterator[tuple[Source, Catalogue]]:
    config = simulated.config
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        async with Session(config, catalogue, requested_sources(config), None) as session:
            yield session.sources[config.source[0]], catalogue


def questions(config: CollectConfig) -> list[Search]:
    classes = requested_classes(config, requested_sources(config))
    return [Search(spec.class_id, word, {}, None, None) for spec in classes for word in spec.keywords]


async def all_pages(source: Source, search: Search) -> list[Page]:
    """The pages of all parts that a search for everything begins with."""
    await source.prepare_once()
    pages = []
    for _, bounds in source.first_parts(0):
        cursor: str | None = None
        while True:
            page = await source.search(Search(search.class_id, search.keyword, bounds, cursor, search.until))
            pages.append(page)
            assert len(pages) <= MOST_PAGES, "pages without end"
            cursor = page.next_cursor
            if cursor is None:
                break
    return pages


@every_source
def test_it_pages_to_the_end_and_says_what_it_knows(name: str, photo_site: PhotoSite, tmp_path: Path) -> None:
    async def run(simulated: Simulator) -> None:
        async with opened(simulated) as (source, catalogue):
            for search in questions(simulated.config):
                pages = await all_pages(source, search)
                photos = [photo for page in pages for photo in page.photos]
                assert len(photos) > 3
                ids = [(photo.source, photo.photo_id) for photo in photos]
                assert len(ids) == len(set(ids)), "a photo twice in one search"
                ranks = [page.first_rank for page in pages]
                assert ranks == sorted(ranks)
                assert all(len(page.photos) <= 4 * source.limits.page_size for page in pages)
                for photo in photos:
                    assert photo.photo_id
                    assert photo.source == name or source.is_relay
                    if simulated.has_licenses:
                        assert photo.url is not None
                        assert photo.url.startswith("http")
                        assert photo.license_name
                        assert photo.author
                        assert (photo.page_url or "").startswith("https://")
            if simulated.site is not None:
                assert source.limits.calls, "an API asks to be called only so often"
                assert simulated.site.requests[simulated.requests] == len(catalogue.calls_since(name, 0))

    with simulator(name, tmp_path, photo_site) as simulated:
        asyncio.run(run(simulated))


@every_source
def test_it_finds_again_what_is_there_and_misses_what_is_not(
    name: str, photo_site: PhotoSite, tmp_path: Path
) -> None:
    async def run(simulated: Simulator) -> None:
        async with opened(simulated) as (source, _):
            photos = [
                photo for page in await all_pages(source, questions(simulated.config)[0]) for photo in page.photos
            ]
            known = photos[:3]
            answers = await source.presence([*known, invented(known[0])])
            if simulated.site is not None:
                assert {photo.photo_id for photo in known} <= set(answers)
                assert not answers[invented(known[0]).photo_id].is_there
            for photo in known:
                answer = answers.get(photo.photo_id)
                assert answer is None or answer.is_there
                if answer is not None and answer.license_name is not None:
                    assert (answer.license_name, answer.license_url) == (photo.license_name, photo.license_url)

    with simulator(name, tmp_path, photo_site) as simulated:
        asyncio.run(run(simulated))


def invented(photo: Photo) -> Photo:
    values = {one.name: getattr(photo, one.name) for one in fields(Photo)}
    return Photo(**(values | {"photo_id": "987654321987"}))


@every_source
def test_it_says_what_its_terms_ask(name: str) -> None:
    source = families.load(Family.SOURCE, name)
    assert len(source.terms) > 20
    assert all("\n" not in one for one in (source.terms, *source.notices(CollectConfig())))


ANSWERS = {
    "a web page": lambda request: web.Response(text="<html>busy</html>", content_type="text/html"),
    "out of order": lambda request: web.Response(status=503),
    "forbidden": lambda request: web.Response(status=403),
    "too many": lambda request: web.json_response({"detail": "throttled"}, status=429),
    "another's JSON": lambda request: web.json_response([1, {"stat": None}]),
    "an error in JSON": lambda request: web.json_response(
        {"error": {"code": "x\ny", "info": str(request.query_string)}, "detail": ["a", "b"]}, status=400
    ),
    "repeats what was asked": lambda request: web.json_response(
        dict.fromkeys(("message", "error", "detail"), f"{request.query_string}\n{dict(request.headers)}")
        | {"stat": "fail", "code": 5}
    ),
}  # fmt: skip


@every_site
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_failing_site_gets_one_line_without_a_key(
    name: str, answer: str, photo_site: PhotoSite, tmp_path: Path
) -> None:
    async def run(simulated: Simulator) -> None:
        async with opened(simulated) as (source, _):
            with pytest.raises(SourceError) as caught:
                await all_pages(source, questions(simulated.config)[0])
            assert "\n" not in str(caught.value)
            assert not [word for word in SECRETS.values() if word in str(caught.value)]

    with simulator(name, tmp_path, photo_site) as simulated, served(ANSWERS[answer]) as address:
        config = simulated.config.model_copy(update={"base_url": (address,), "attempts": 1})
        asyncio.run(run(Simulator(config)))


def test_commons_asks_for_a_contact(photo_site: PhotoSite, tmp_path: Path) -> None:
    async def run(config: CollectConfig) -> None:
        async with opened(Simulator(config)) as (source, _):
            assert any("--contact" in notice for notice in source.notices(config))
            with pytest.raises(SourceError, match="give --contact"):
                await all_pages(source, questions(config)[0])

    with simulator("commons", tmp_path, photo_site) as simulated, served(ANSWERS["forbidden"]) as address:
        asyncio.run(run(simulated.config.model_copy(update={"base_url": (address,), "contact": None})))


class _Replies:
    """Stands in for the API's client: answers what it is told to, and remembers what a site answered."""

    def __init__(self, real: Any = None) -> None:
        self._real, self.seen = real, []
        self.reply: Any = None

    async def get_json(self, url: str, parameters: Mapping[str, str], explain: Explain, **more: Any) -> Any:
        if self._real is not None:
            self.seen.append(await self._real.get_json(url, parameters, explain, **more))
            return self.seen[-1]
        problem = explain(self.reply)
        if problem is not None:
            raise SourceError(f"site: {problem}")
        return self.reply


class Recorded(dict[str, list[Any]]):
    """The replies by source; short in messages, which hypothesis insists on."""

    def __repr__(self) -> str:
        return "recorded replies"


@pytest.fixture(scope="module")
def recorded(photo_site: PhotoSite, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Replies of each site to a search and to questions after photos."""
    replies = Recorded()

    async def record(name: str, simulated: Simulator) -> None:
        async with opened(simulated) as (source, _):
            listener = _Replies(source.context.api)
            context = SourceContext(listener, simulated.config, source.context.base_url)  # type: ignore[arg-type]
            source = type(source)(context)
            search = questions(simulated.config)[0]
            await source.prepare_once()
            page = await source.search(Search(search.class_id, search.keyword, {}, None, None))
            await source.presence(page.photos[:2])
            replies[name] = [shortened(one) for one in listener.seen]

    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        for name in OVER_THE_NETWORK:
            with simulator(name, tmp_path_factory.mktemp(name), photo_site) as simulated:
                asyncio.run(record(name, simulated))
    return replies


def shortened(value: Any) -> Any:
    """The reply with three entries of each list: enough for every kind of damage."""
    if isinstance(value, dict):
        return {name: shortened(one) for name, one in value.items()}
    return [shortened(one) for one in value[:3]] if isinstance(value, list) else value


hostile = json_values | st.sampled_from(
    ["javascript:alert(1)", "file:///etc/passwd", "//evil/\r\nHost: x", "\ud800", "a\0b", "<a href='//x'><!--",
     "http://[", "https://user:pass@host/é", "0", "9" * 400, "<![x", "<!DOCTYPE", 2**70, -1, 0, 1e300, [[[]]]]
)  # fmt: skip


damages = st.lists(
    st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=9), hostile), min_size=1, max_size=6
)
"""Ways into a reply, as numbers of entries, and what then stands where they end."""


def damaged(reply: Any, damage: list[tuple[list[int], Any]]) -> Any:
    reply = copy.deepcopy(reply)
    for way, value in damage:
        place = reply
        for depth, number in enumerate(way):
            key = sorted(place)[number % len(place)] if isinstance(place, dict) else number % len(place)
            inner = place[key]
            if depth + 1 == len(way) or not isinstance(inner, dict | list) or not inner:
                place[key] = copy.deepcopy(value)
                break
            place = inner
    return reply


def assert_storable(photo: Photo) -> None:
    for value in astuple(photo):
        if isinstance(value, str):
            value.encode("utf-8")
            assert "\0" not in value
        else:
            assert value is None or -(2**63) <= value < 2**63
    for address in (photo.url, photo.page_url, photo.author_url):
        assert address is None or address.startswith(("http://", "https://"))
        assert address is None or address.isprintable()
    assert photo.photo_id


@every_site
@settings(max_examples=100)
@given(
    which=st.integers(0, 3),
    damage=damages,
    cursor=st.sampled_from([None, "1", "{", "[1]", '{"gsroffset": "3"}', '["q", 3, 5]']),
)
def test_no_reply_brings_more_than_an_error_of_one_line(
    name: str, recorded: dict[str, list[Any]], which: int, damage: list[tuple[list[int], Any]], cursor: str | None
) -> None:
    replies = _Replies()
    source = families.load(Family.SOURCE, name)(
        SourceContext(replies, CollectConfig(image_size=64), "http://site")
    )
    replies.reply = damaged(recorded[name][which % len(recorded[name])], damage)
    try:
        for _, bounds in source.first_parts(0):
            page = asyncio.run(source.search(Search("owl", "owl", bounds, cursor, None)))
            for photo in page.photos:
                assert_storable(photo)
            source.split(bounds, page, 2_000_000_000, lambda earliest, latest: None)
            assert_storable_presence(asyncio.run(source.presence(page.photos[:2])))
    except SourceError as error:
        assert "\n" not in str(error)
        assert not [word for word in SECRETS.values() if word in str(error)]


def assert_storable_presence(answers: Mapping[str, Any]) -> None:
    for answer in answers.values():
        for text in (answer.license_name, answer.license_url):
            assert text is None or text.encode("utf-8") is not None


def test_a_source_without_a_simulator_is_told_what_to_add(photo_site: PhotoSite, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="'brand_new' has no simulator: add a function to SIMULATORS"):
        simulator("brand_new", tmp_path, photo_site)
