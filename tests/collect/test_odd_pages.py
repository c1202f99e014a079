"""Pages that come short or empty, totals that contradict them, facts in pieces: nothing is lost silently.

Each site is an object in this process that lists its results by the site's own rules, with what hypothesis draws
going wrong. What a search must find follows from the draws alone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import CollectConfig, PhotoSiteConfig
from rawlabel.gather.collect.http.api import Explain
from rawlabel.gather.collect.search import MOST_REPEATS, ClassSearch
from rawlabel.gather.collect.source import SourceContext
from rawlabel.gather.collect.stage import collect
from rawlabel.records import ClassSpec
from rawlabel_photo_site.web.server import running
from rawlabel_photo_site.world.rates import NO_FAULTS
from rawlabel_photo_site.world.rules import SiteRules
from rawlabel_photo_site.world.site import PhotoSite

EMPTY = -1
"""Instead of a number of results that a page leaves out: all of them."""
MOST_PAGES = 600


@dataclass
class Site:
    """Results 1 to `total`, on pages of `size`; page n leaves out `odd[n - 1]` of its results."""

    total: int
    size: int
    odd: Sequence[int] = ()
    told: int = 50
    """Files whose facts one reply of Commons tells."""
    ends_early: int | None = None
    """Page from which on Commons does not say how to go on."""
    too_few_pages: int = 0
    num_calls: int = field(default=0, init=False)
    _asked: set[tuple[tuple[str, str], ...]] = field(default_factory=set, init=False)

    def page(self, number: int) -> list[int]:
        """The results on a page, counted from 1."""
        whole = list(range((number - 1) * self.size + 1, min(number * self.size, self.total) + 1))
        left_out = self.odd[number - 1] if number <= len(self.odd) else 0
        return [] if left_out == EMPTY else whole[: max(0, len(whole) - left_out)]

    def read(self) -> list[int]:
        """What is listed up to the stated end, or to the second empty page in a row."""
        read: list[int] = []
        empty = 0
        for number in range(1, math.ceil(self.total / self.size) + 1):
            read += self.page(number)
            empty = 0 if self.page(number) else empty + 1
            if empty == 2:
                break
        return read

    async def get_json(self, url: str, parameters: Mapping[str, str], explain: Explain, **more: Any) -> Any:
        self.num_calls += 1
        assert self.num_calls < MOST_PAGES, "calls without end"
        if "rest" in url:
            kind = "flickr"
        elif "api.php" in url:
            kind = "commons"
        else:
            kind = "inaturalist" if "observations" in url else "openverse"
        reply = getattr(self, kind)(parameters)
        assert explain(reply) is None
        return reply

    def flickr(self, parameters: Mapping[str, str]) -> Any:
        if parameters["method"] != "flickr.photos.search":
            return {"stat": "ok", "licenses": {"license": []}}
        photos = [{"id": str(one), "url_m": f"https://h/{one}.jpg"} for one in self.page(int(parameters["page"]))]
        return {"stat": "ok", "photos": {"total": self.total, "photo": photos}}

    def openverse(self, parameters: Mapping[str, str]) -> Any:
        results = [
            {"id": str(one), "url": f"https://h/{one}.jpg", "license": "by", "source": "flickr"}
            for one in self.page(int(parameters["page"]))
        ]
        pages = max(1, math.ceil(self.total / self.size) - self.too_few_pages)
        return {"result_count": self.total, "page_count": pages, "results": results}

    def inaturalist(self, parameters: Mapping[str, str]) -> Any:
        """Ids mark the pages: a short page is followed by what it left out, an empty one is a passing mood."""
        above = int(parameters["id_above"])
        ids = list(range(above + 1, self.total + 1))[: self.size]
        number = above // self.size
        left_out = self.odd[number] if number < len(self.odd) else 0
        question = tuple(sorted(parameters.items()))
        if left_out == EMPTY and question not in self._asked:
            ids = []
        elif left_out > 0:
            ids = ids[: max(1, len(ids) - left_out)]
        self._asked.add(question)
        photo = {"license_code": "cc-by", "url": "https://h/photos/1/square.jpg"}
        results = [{"id": one, "photos": [{**photo, "id": one}]} for one in ids]
        return {"total_results": self.total - above, "results": results}

    def commons(self, parameters: Mapping[str, str]) -> Any:
        offset, size = int(parameters.get("gsroffset", 0)), int(parameters["gsrlimit"])
        assert size == self.size
        shown, begin = self.page(offset // size + 1), int(parameters.get("iicontinue", 0))
        left = [one for one in shown if one >= begin]
        info = {"mime": "image/jpeg", "url": "https://h/x.jpg"}
        pages = [
            {"pageid": one, "index": one} | ({"imageinfo": [info]} if one in left[: self.told] else {})
            for one in reversed(shown)
        ]
        reply: dict[str, Any] = {"query": {"pages": pages} if pages else {}}
        if "list" in parameters:
            reply["query"]["searchinfo"] = {"totalhits": self.total}
        if len(left) > self.told:
            current = {"gsroffset": offset} if offset else {}
            going_on = {"iicontinue": str(left[self.told]), **current, "continue": f"{'|'.join(current)}||"}
            return {**reply, "continue": going_on}
        if offset + size < self.total and (self.ends_early is None or offset // size + 1 < self.ends_early):
            reply["continue"] = {"gsroffset": offset + size, "continue": "gsroffset||"}
        return {**reply, "batchcomplete": True}


def searched(
    name: str, site: Site, folder: Path, wanted: int, *, is_killed: bool = False
) -> tuple[QueryState, str, set[str]]:
    """The search for one keyword in one run, the state of its only part, and the ids of all that was found."""
    config = CollectConfig(source=(name,), image_size=64, project=folder)
    source = families.load(Family.SOURCE, name)(SourceContext(site, config, "http://site", "k"))  # type: ignore[arg-type]
    with Catalogue(folder / "c.sqlite", create=True) as catalogue:
        catalogue.plan([name], [ClassSpec("owl", "owl", ("owl",))], until=2_000_000_000)
        search = ClassSearch("owl", {name: source}, catalogue, wanted=wanted, per_keyword=None)

        async def run() -> None:
            while await search.next_page():
                pass

        asyncio.run(run())
        if not is_killed:
            catalogue.conclude_searches(MOST_REPEATS)
        query = catalogue.queries()[0]
        state = catalogue._select("SELECT state FROM part WHERE name = ''")[0][0]
        return query, state, {one.photo.photo_id for one in catalogue.found("owl")}


def check(name: str, site: Site, folder: Path, found: Sequence[int], wanted: int) -> None:
    query, state, ids = searched(name, site, folder, wanted)
    assert ids == set(map(str, found))
    assert query.exhausted
    assert query.missing == site.total - len(found)
    assert state == ("incomplete" if query.missing else "done")


SIZES = {"flickr": 500, "openverse": 20, "commons": 50, "inaturalist": 200}
MOST = {"flickr": 3_000, "openverse": 200, "commons": 900, "inaturalist": 2_000}
WANTED = {"flickr": 4_000, "openverse": 240, "commons": 0, "inaturalist": 0}
PAGED = ("flickr", "openverse", "commons")


@pytest.mark.parametrize("name", SIZES)
@settings(max_examples=40)
@given(data=st.data())
def test_what_the_site_lists_is_found_and_the_rest_is_called_missing(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    total = data.draw(st.integers(1, MOST[name]), label="total")
    pages = math.ceil(total / SIZES[name])
    odd = data.draw(st.lists(st.sampled_from([0, 0, 0, 1, 7, EMPTY]), max_size=pages), label="left out")
    site = Site(total, SIZES[name], odd)
    if name == "commons":
        site.told = data.draw(st.integers(2, 60), label="told at once")
        site.ends_early = data.draw(st.none() | st.integers(1, pages), label="last page that says how to go on")
    site.too_few_pages = data.draw(st.integers(0, 1), label="pages too few")
    found = site.read() if name in PAGED else range(1, total + 1)
    check(name, site, tmp_path_factory.mktemp("odd"), found, WANTED[name])


@pytest.mark.parametrize(
    ("name", "site", "num_found"),
    [
        # Before: 50 of 700, since facts came for the first fifty of a page of five hundred.
        ("commons", Site(700, 50), 700),
        ("commons", Site(700, 50, told=3), 700),
        # Before: 20 of 200, 180 of 200, 399 of 900 and 1,000 of 2,300.
        ("openverse", Site(200, 20, (0, EMPTY)), 180),
        ("openverse", Site(200, 20, too_few_pages=1), 200),
        ("inaturalist", Site(900, 200, (0, 1)), 900),
        ("flickr", Site(2_300, 500, (0, 0, EMPTY)), 1_800),
        # Two empty pages in a row are believed.
        ("flickr", Site(2_300, 500, (0, EMPTY, EMPTY)), 500),
    ],
)
def test_odd_pages_that_were_seen(name: str, site: Site, num_found: int, tmp_path: Path) -> None:
    query, state, ids = searched(name, site, tmp_path, WANTED[name])
    assert (len(ids), query.missing) == (num_found, site.total - num_found)
    assert state == ("incomplete" if query.missing else "done")


@pytest.mark.parametrize("name", PAGED)
def test_a_search_that_came_short_is_asked_again_by_the_next_run_and_then_complete(
    name: str, tmp_path: Path
) -> None:
    total = 4 * SIZES[name] - 3
    site = Site(total, SIZES[name], (0, EMPTY, EMPTY))
    for _ in range(2):
        # A run that was killed and goes on is still the same run.
        query, _, ids = searched(name, site, tmp_path, WANTED[name], is_killed=True)
        calls = site.num_calls
        assert 0 < query.missing == total - len(ids)
    searched(name, site, tmp_path, WANTED[name])
    assert site.num_calls == calls
    site.odd = ()
    query, state, ids = searched(name, site, tmp_path, WANTED[name])
    assert (len(ids), query.missing, state) == (total, 0, "done")
    calls = site.num_calls
    searched(name, site, tmp_path, WANTED[name])
    assert site.num_calls == calls


@pytest.mark.parametrize(
    ("moods", "runs"),
    [
        # Nothing new: once is enough.
        ([(0, EMPTY)] * 9, 2),
        # Another page each time, of which one is left out in the end.
        ([(EMPTY, 7, 7), (0, 7, EMPTY), (3, EMPTY, 7)], 3),
        # Something new for ever.
        ([(0, 19 - one) for one in range(9)], 1 + MOST_REPEATS),
    ],
)
def test_what_stays_short_is_not_asked_for_ever(moods: Sequence[Sequence[int]], runs: int, tmp_path: Path) -> None:
    site = Site(200, 20)
    listed: set[int] = set()
    for number, mood in enumerate(moods):
        site.odd, before = mood, site.num_calls
        query, state, ids = searched("openverse", site, tmp_path, WANTED["openverse"])
        if number < runs:
            assert site.num_calls > before
            listed |= set(site.read())
        else:
            assert site.num_calls == before
        assert ids == set(map(str, listed))
        assert query.missing == 200 - len(listed)
        assert state == ("incomplete" if query.missing else "done")


@pytest.mark.integration
@pytest.mark.parametrize("name", ["commons", "openverse"])
def test_the_simulated_sites_have_these_moods_too(name: str, tmp_path: Path) -> None:
    rules = SiteRules(speed=600, odd_pages=0.5 if name == "openverse" else 0.0)
    site = PhotoSite.build(
        PhotoSiteConfig(seed=3, per_class=80 if name == "openverse" else 300), NO_FAULTS, rules=rules
    )
    (tmp_path / "classes.txt").write_text("three\nnine\n")
    with running(site) as served:

        def collected(project: Path) -> list[QueryState]:
            collect(
                CollectConfig(
                    classes=tmp_path / "classes.txt", project=project, source=(name,), search_only=True,
                    base_url=(served.base_url,), allow_loopback=True, contact="someone@example.org", per_class=240,
                    calls_per_hour=100_000,
                )
            )  # fmt: skip
            with Catalogue(catalogue_path(project)) as catalogue:
                return catalogue.queries()

        queries = collected(tmp_path / "p")
        if name == "openverse":
            site.rules = replace(rules, odd_pages=0)
            # The next run asks what came short again, and finds what a site without moods lists from the start; no
            # later one asks for what the site's inexact total says beyond that.
            whole, later = collected(tmp_path / "other"), collected(tmp_path / "p")
            assert [one.num_events for one in later] == [one.num_events for one in whole]
            assert sum(one.num_events for one in later) > sum(one.num_events for one in queries)
            collected(tmp_path / "p")
            calls = served.requests[name]
            collected(tmp_path / "p")
            assert served.requests[name] == calls
    stated = {one.keyword: min(one.total_reported or 0, 240) for one in queries}
    if name == "openverse":
        assert any(one.missing for one in queries)
        assert all(one.num_events + one.missing >= stated[one.keyword] for one in queries if one.exhausted)
    else:
        # A file that was deleted is listed, and has nothing to say.
        assert all(one.num_events > 0.9 * stated[one.keyword] > 50 and not one.missing for one in queries)
