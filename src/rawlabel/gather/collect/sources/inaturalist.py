"""iNaturalist: photos of living things that people observed (https://api.inaturalist.org/v1/docs/)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rawlabel.base.licenses import LicensePreset
from rawlabel.errors import SourceError
from rawlabel.gather.collect.reading.reply_values import (
    integer,
    items,
    mapping,
    message,
    number_text,
    seconds_since_1970,
    text,
    web_address,
)
from rawlabel.gather.collect.source import ABOUT_PHOTOS, Page, Presence, Search, SearchLimits, Source
from rawlabel.records import Photo

PAGE_SIZE = 200
"""Most observations of one call."""
OBSERVATIONS_AT_ONCE = 100
"""Observations asked for by id in one call, so that the address stays short."""
_QUESTIONS = ("taxon_name", "q")
"""A keyword is taken for the name of a taxon first, and for any words where no taxon has that name."""

# Longer sides of the sizes, smallest first; the square ones are left out, since they cut the photo.
_SIZES = {"small": 240, "medium": 500, "large": 1024, "original": 2048}
_SIZE_IN_ADDRESS = re.compile(r"/(?:square|thumb|small|medium|large|original)(\.[A-Za-z]{2,5})(?=$|\?)")
_OBSERVATION = re.compile(r"/observations/([0-9]{1,18})$")

_CC = "https://creativecommons.org"
LICENSES = {
    "cc0": ("CC0 1.0", f"{_CC}/publicdomain/zero/1.0/"),
    "pd": ("Public domain", f"{_CC}/publicdomain/mark/1.0/"),
    **{
        f"cc-{slug}": (f"CC {slug.upper()} 4.0", f"{_CC}/licenses/{slug}/4.0/")
        for slug in ("by", "by-nc", "by-sa", "by-nd", "by-nc-sa", "by-nc-nd")
    },
}
"""Name and address by the code that the site uses; a photo without a code has all rights reserved."""


class Inaturalist(Source):
    """iNaturalist's observations; one may have several photos."""

    base_url = "https://api.inaturalist.org"
    search_path = "/v1/observations"
    terms = (
        "at most 60 calls a minute and 10,000 a day, and 5 GB of photos an hour; the API is for applications, not "
        "for scraping: for whole taxa use the open data set on AWS; credit each photo's author and license"
    )
    label_notice = "its labels are identifications by people, so they are not raw labels"
    common_word = "Aves"
    limits = SearchLimits(PAGE_SIZE, calls=((60, 60.0), (10_000, 86_400.0)))

    async def search(self, search: Search) -> Page:
        """The next observations by id, oldest first; such paging has no end, unlike that by page number."""
        at = _Cursor.read(search.cursor)
        reply = await self._observations(search, at)
        if search.cursor is None and not integer(reply.get("total_results")):
            at = _Cursor("q")
            reply = await self._observations(search, at)
        observations = [one for one in items(reply.get("results")) if isinstance(one, dict)]
        photos = tuple(photo for one in observations for photo in self._photos(one))
        following = at.behind(
            [integer(one.get("id")) or 0 for one in observations], len(photos), integer(reply.get("total_results"))
        )
        return Page(
            photos,
            at.rank,
            following.written() if following is not None else None,
            at.total if at.total is not None else integer(reply.get("total_results")),
            len(observations) >= PAGE_SIZE,
            num_listed=len(observations),
            ends_at=at.num_seen + len(observations),
        )

    async def presence(self, photos: Sequence[Photo]) -> Mapping[str, Presence]:
        """A hundred observations a call; a photo is gone when its observation is, or lacks it."""
        pages = ((photo.photo_id, _OBSERVATION.search(photo.page_url or "")) for photo in photos)
        asked = {photo_id: page[1] for photo_id, page in pages if page}
        ids = sorted(set(asked.values()))
        found: dict[str, Presence] = {}
        for start in range(0, len(ids), OBSERVATIONS_AT_ONCE):
            some = ids[start : start + OBSERVATIONS_AT_ONCE]
            reply = await self._get(f"{self.search_path}/{','.join(some)}", {}, ABOUT_PHOTOS)
            there = {
                text(photo.get("id")): LICENSES.get(text(photo.get("license_code")), ("All Rights Reserved", ""))
                for one in items(reply.get("results"))
                for photo in _shown(mapping(one))
            }
            for photo_id, observation in asked.items():
                if observation in some:
                    license_ = there.get(photo_id)
                    found[photo_id] = Presence(license_ is not None, *(license_ or (None, None)))
        return found

    async def _observations(self, search: Search, at: _Cursor) -> Mapping[str, object]:
        parameters = {
            at.question: search.keyword, "photos": "true", "per_page": str(PAGE_SIZE), "order_by": "id",
            "order": "asc", "id_above": str(at.above),
        }  # fmt: skip
        if search.until is not None:
            parameters["created_d2"] = datetime.fromtimestamp(search.until, UTC).strftime("%Y-%m-%d")
        preset = self.context.config.licenses
        if preset is not LicensePreset.ANY:
            parameters["photo_license"] = ",".join(
                code for code, named in LICENSES.items() if preset.allows(*named)
            )
        return await self._get(self.search_path, parameters)

    async def _get(
        self, path: str, parameters: Mapping[str, str], asked: str = "the search"
    ) -> Mapping[str, object]:
        explain = partial(self._explain, asked=asked)
        reply = await self.context.api.get_json(self.context.base_url + path, parameters, explain)
        assert isinstance(reply, dict)
        return reply

    def _explain(self, reply: Any, asked: str = "the search") -> str | None:
        site = self.context.base_url
        if isinstance(reply, dict) and isinstance(reply.get("results"), list):
            return None
        words = message(mapping(reply).get("error"))
        if words:
            raise SourceError(f"{site}: refuses {asked} ({words})")
        raise SourceError(f"{site}: sent a reply without observations; is --base-url the API of iNaturalist?")

    def _photos(self, observation: Mapping[str, object]) -> Iterator[Photo]:
        number, user, taxon = (
            number_text(observation.get("id")), mapping(observation.get("user")), mapping(observation.get("taxon"))
        )  # fmt: skip
        login = text(user.get("login"))
        author = text(user.get("name")) or login or _holder(observation)
        for raw in _shown(observation):
            photo_id, code = number_text(raw.get("id")), text(raw.get("license_code")).lower()
            if not photo_id or not number:
                continue
            url, width, height, label = self._best_size(raw)
            license_name, license_url = LICENSES.get(code, (code, "") if code else ("All Rights Reserved", ""))
            yield Photo(
                source="inaturalist",
                photo_id=photo_id,
                url=url,
                page_url=f"https://www.inaturalist.org/observations/{number}",
                title=text(taxon.get("preferred_common_name")) or text(observation.get("species_guess")),
                tags=" ".join(text(one) for one in (taxon.get("name"), observation.get("quality_grade")) if one),
                author=author,
                author_id=text(user.get("id")) or login,
                author_url=web_address(f"https://www.inaturalist.org/people/{login}") if login else None,
                license_id=code,
                license_name=license_name,
                license_url=license_url,
                uploaded_at=seconds_since_1970(observation.get("created_at")),
                taken_at=text(observation.get("time_observed_at")) or text(observation.get("observed_on")) or None,
                width=width,
                height=height,
                size_label=label,
            )

    def _best_size(self, raw: Mapping[str, object]) -> tuple[str | None, int | None, int | None, str]:
        """Address, width, height and name of the smallest size whose shorter side reaches the wanted one."""
        address = web_address(raw.get("url"))
        dimensions = mapping(raw.get("original_dimensions"))
        width, height = integer(dimensions.get("width")), integer(dimensions.get("height"))
        if address is None or not _SIZE_IN_ADDRESS.search(address):
            return address, None, None, ""
        is_known = width is not None and height is not None and min(width, height) > 0
        # Most photos are 4 to 3; where the size is not stated, the next larger one makes up for longer ones.
        shape = min(width, height) / max(width, height) if width and height and is_known else 0.6
        longest = max(width, height) if width and height and is_known else None
        needed = self.context.config.image_size / shape
        label = next((name for name, side in _SIZES.items() if side >= needed), "original")
        resized = _SIZE_IN_ADDRESS.sub(rf"/{label}\1", address)
        if not width or not height or longest is None:
            return resized, None, None, label
        scale = min(1.0, _SIZES[label] / longest)
        return resized, max(1, round(width * scale)), max(1, round(height * scale)), label


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a page begins."""

    question: str = _QUESTIONS[0]
    above: int = 0
    """Id of the last observation seen."""
    rank: int = 0
    """Photos seen before."""
    num_seen: int = 0
    """Observations seen before."""
    total: int | None = None
    """Observations that the first page stated; those of later pages count what is above an id."""
    num_empty: int = 0
    """Empty replies to this very question."""

    @classmethod
    def read(cls, cursor: str | None) -> _Cursor:
        try:
            question, *numbers = json.loads(cursor or "null")
            above, rank, num_seen, total, num_empty = (*map(integer, numbers), None, None, None)[:5]
        except (ValueError, TypeError):
            return cls()
        known = question if question in _QUESTIONS else _QUESTIONS[0]
        return cls(known, above or 0, rank or 0, num_seen or 0, total, num_empty or 0)

    def behind(self, ids: Sequence[int], num_photos: int, remaining: int | None) -> _Cursor | None:
        """Where the page after one with these observations begins; None where the results end.

        `remaining` is how many observations the site counts from the start of the page. A page may come short, and
        an empty one is asked for once more, since there is no id from which to go on.
        """
        seen, total = self.num_seen + len(ids), remaining if self.total is None else self.total
        is_full, above = len(ids) >= PAGE_SIZE, max(ids, default=0)
        if not is_full and (remaining is None or len(ids) >= remaining or seen >= (total or 0)):
            return None
        if not ids:
            asked_again = replace(self, total=total, num_empty=self.num_empty + 1)
            return asked_again if self.num_empty == 0 else None
        if above <= self.above:
            return None
        return _Cursor(self.question, above, self.rank + num_photos, seen, total)

    def written(self) -> str:
        """As `read` takes it."""
        return json.dumps(astuple(self))


def _shown(observation: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """The photos of an observation that are not hidden."""
    photos = (mapping(one) for one in items(observation.get("photos")))
    return (photo for photo in photos if photo and not photo.get("hidden"))


def _holder(observation: Mapping[str, object]) -> str:
    """The author in the attribution, which reads `(c) NAME, ...`."""
    found = re.match(r"\(c\) ([^,]+),", text(next(_shown(observation), {}).get("attribution")))
    return found[1] if found else ""


PLUGIN = Inaturalist
