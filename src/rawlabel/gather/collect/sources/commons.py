"""Wikimedia Commons, by the MediaWiki Action API (https://commons.wikimedia.org/w/api.php)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rawlabel.config import CollectConfig
from rawlabel.errors import SourceError
from rawlabel.gather.collect.reading.commons_sizes import best_size
from rawlabel.gather.collect.reading.identities import identity_of_address
from rawlabel.gather.collect.reading.reply_values import (
    integer,
    items,
    mapping,
    message,
    number_text,
    plain_text,
    seconds_since_1970,
    text,
    web_address,
)
from rawlabel.gather.collect.source import ABOUT_PHOTOS, Page, Presence, Search, SearchLimits, Source
from rawlabel.records import Photo

PAGE_SIZE = 50
"""Files of a page of results: of more, the API would not tell all facts in one reply."""
MOST_REPLIES = 50
"""So many replies are asked for to get the facts of one page of results."""
MOST_RESULTS = 10_000
"""Offset at which the site's search ends (CirrusSearch)."""
FILE_NAMESPACE = "6"
PAGES_AT_ONCE = 50
"""Most page ids in one call."""
_ASKED_WIDTH = 500
_TOTAL = "_total"
"""Where a cursor holds the total that the first page stated, beside the API's own values."""
_PHOTO_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_PASSING = (
    "maxlag",
    "ratelimited",
    "readonly",
    "internal_api_error",
    "cirrussearch-too-busy",
    "cirrussearch-backend",
)
_CONTACT_HINT = "its policy asks for a contact in the user agent; give --contact with your e-mail or web address"


@dataclass(slots=True)
class _Batch:
    """What the replies about one page of results say together."""

    by_id: dict[int, dict[str, object]] = field(default_factory=dict)
    total: int | None = None
    following: dict[str, str] = field(default_factory=dict)
    """What the API wants to hear for the next page of results; empty at the end."""

    @property
    def pages(self) -> Sequence[Mapping[str, object]]:
        return list(self.by_id.values())

    def add(self, query: Mapping[str, object]) -> None:
        """Take in a reply; each holds all files, and the facts of some."""
        for number, page in enumerate(_pages(query)):
            page_id = integer(page.get("pageid"))
            place = self.by_id.setdefault(-1 - number if page_id is None else page_id, {})
            place.update(page)
        total = integer(mapping(query.get("searchinfo")).get("totalhits"))
        self.total = total if self.total is None else self.total


class Commons(Source):
    """Wikimedia Commons: freely licensed photos, without a key."""

    base_url = "https://commons.wikimedia.org"
    search_path = "/w/api.php"
    terms = (
        "name a contact (--contact), at most two downloads at a time, credit the author and the license of each "
        "file; every license allows commercial use and changes"
    )
    wants_contact = True
    limits = SearchLimits(PAGE_SIZE, MOST_RESULTS, calls=((60, 60.0),))

    @classmethod
    def notices(cls, config: CollectConfig) -> list[str]:
        """The hint that the site's policy asks for a contact, unless one is given."""
        if config.contact:
            return super().notices(config)
        return [*super().notices(config), _CONTACT_HINT]

    async def search(self, search: Search) -> Page:
        """One page of bitmap files, best first; the cursor holds the API's own `continue` values."""
        at, known_total = _read_cursor(search.cursor)
        parameters = {
            "generator": "search", "gsrnamespace": FILE_NAMESPACE, "gsrlimit": str(PAGE_SIZE),
            "gsrsearch": f"{_plain_words(search.keyword)} filetype:bitmap", "prop": "imageinfo",
            "iiprop": "url|size|sha1|mime|user|timestamp|extmetadata", "iiurlwidth": str(_ASKED_WIDTH),
            "iiextmetadatafilter": "License|LicenseShortName|LicenseUrl|UsageTerms|Artist|Credit|ObjectName|"
            "ImageDescription|DateTimeOriginal|Categories", "iiextmetadatalanguage": "en",
        }  # fmt: skip
        if not at:
            # The generator does not say how many results there are; the list beside it does.
            parameters |= {
                "list": "search", "srsearch": parameters["gsrsearch"], "srnamespace": FILE_NAMESPACE,
                "srinfo": "totalhits", "srprop": "", "srlimit": "1",
            }  # fmt: skip
        batch = await self._batch({**parameters, **at})
        found = sorted(batch.pages, key=lambda page: integer(page.get("index")) or 0)
        photos = tuple(photo for page in found if (photo := self._photo(page)) is not None)
        total = batch.total if known_total is None else known_total
        offset = integer(at.get("gsroffset")) or 0
        following = integer(batch.following.get("gsroffset"))
        has_more = following is not None and following > offset
        end = following if following is not None and has_more else offset + PAGE_SIZE
        cursor = None
        if end < MOST_RESULTS and (has_more or end < (total or 0)):
            more = batch.following if has_more else {"gsroffset": str(end), "continue": "gsroffset||"}
            cursor = json.dumps({**more, _TOTAL: total})
        # A file whose facts did not come is not one that the site has shown.
        listed = sum(bool(items(page.get("imageinfo"))) or "missing" in page for page in found)
        return Page(photos, offset, cursor, total, has_more, num_listed=listed, ends_at=end)

    async def _batch(self, parameters: Mapping[str, str]) -> _Batch:
        """The files of one page of results, asked for until the API says that it has told all of each.

        It tells the facts of at most fifty files that have a scaled image in one reply and goes on inside the page
        with `iicontinue` (https://www.mediawiki.org/wiki/API:Continue, API:Imageinfo).
        """
        batch, asked = _Batch(), dict(parameters)
        for _ in range(MOST_REPLIES):
            reply = await self._query(asked)
            batch.add(mapping(reply.get("query")))
            following = {text(name): text(value) for name, value in mapping(reply.get("continue")).items()}
            goes_on = integer(following.get("gsroffset")) not in (None, integer(asked.get("gsroffset")))
            if "batchcomplete" in reply or not following or goes_on:
                # What the list beside the generator would go on with is not wanted again.
                batch.following = {name: value for name, value in following.items() if name != "sroffset"}
                break
            further = {**parameters, **following}
            if further == asked:
                break
            asked = further
        return batch

    async def presence(self, photos: Sequence[Photo]) -> Mapping[str, Presence]:
        """Fifty files a call; deleted ones are missing."""
        found: dict[str, Presence] = {}
        for start in range(0, len(photos), PAGES_AT_ONCE):
            page_ids = [photo.photo_id for photo in photos[start : start + PAGES_AT_ONCE]]
            reply = await self._query(
                {
                    "pageids": "|".join(page_ids),
                    "prop": "imageinfo",
                    "iiprop": "mime|extmetadata",
                    "iiextmetadatafilter": "License|LicenseShortName|LicenseUrl|UsageTerms",
                },
                ABOUT_PHOTOS,
            )
            for page in _pages(mapping(reply.get("query"))):
                is_there = not page.get("missing") and bool(items(page.get("imageinfo")))
                license_ = _license(_described(page)) if is_there else None
                found[text(page.get("pageid"))] = Presence(is_there, *(license_ or (None, None, None))[1:])
        return {photo.photo_id: found[photo.photo_id] for photo in photos if photo.photo_id in found}

    async def _query(self, parameters: Mapping[str, str], asked: str = "the search") -> Mapping[str, object]:
        common = {"action": "query", "format": "json", "formatversion": "2", "maxlag": "5"}
        address = self.context.base_url + self.search_path
        try:
            reply = await self.context.api.get_json(
                address, {**common, **parameters}, partial(self._explain, asked=asked)
            )
        except SourceError as error:
            is_refused = any(status in str(error) for status in ("HTTP 403", "HTTP 429"))
            if is_refused and not self.context.config.contact:
                raise SourceError(f"{error}; {_CONTACT_HINT}") from error
            raise
        assert isinstance(reply, dict)
        return reply

    def _explain(self, reply: Any, asked: str = "the search") -> str | None:
        if not isinstance(reply, dict) or not ({"error", "query", "batchcomplete"} & set(reply)):
            raise SourceError(
                f"{self.context.base_url}: sent a reply that is not MediaWiki's; is --base-url Wikimedia Commons?"
            )
        if "error" not in reply:
            return None
        error = mapping(reply["error"])
        code, words = message(error.get("code")), message(error.get("info"))
        if code.startswith(_PASSING):
            return f"is not available ({code}: {words})"
        raise SourceError(f"{self.context.base_url}: refuses {asked} ({code}: {words})")

    def _photo(self, page: Mapping[str, object]) -> Photo | None:
        """The photo of a page; None where the page is no photo, or is deleted already."""
        photo_id, info = number_text(page.get("pageid")), _info(page)
        if not photo_id or text(info.get("mime")) not in _PHOTO_TYPES:
            return None
        described = _described(page)
        size = best_size(
            web_address(info.get("url")),
            integer(info.get("width")),
            integer(info.get("height")),
            self.context.config.image_size,
            web_address(info.get("thumburl")),
        )
        author, author_links = plain_text(described.get("Artist"))
        _, source_links = plain_text(described.get("Credit"))
        user = text(info.get("user"))
        license_id, license_name, license_url = _license(described)
        return Photo(
            source="commons",
            photo_id=photo_id,
            url=size.address,
            page_url=web_address(info.get("descriptionurl"))
            or f"https://commons.wikimedia.org/w/index.php?curid={photo_id}",
            title=plain_text(described.get("ObjectName"))[0] or text(page.get("title")).removeprefix("File:"),
            tags=plain_text(described.get("Categories"))[0],
            author=author or user,
            # Whoever made the photo, not whoever carried it over: a bot carries over the photos of thousands.
            author_id=author or user,
            author_url=next(iter(author_links), None),
            license_id=license_id,
            license_name=license_name,
            license_url=license_url,
            uploaded_at=seconds_since_1970(info.get("timestamp")),
            taken_at=plain_text(described.get("DateTimeOriginal"))[0] or None,
            width=size.width,
            height=size.height,
            size_label=size.label,
            origin=_origin([*source_links, *author_links]),
            stated_sha1=_sha1(info.get("sha1")),
        )


def _read_cursor(cursor: str | None) -> tuple[dict[str, str], int | None]:
    """The API's values for a page, none for the first, and the total that the first page stated."""
    try:
        values = mapping(json.loads(cursor or "{}"))
    except ValueError:
        return {}, None
    return {text(name): text(value) for name, value in values.items() if name != _TOTAL}, integer(
        values.get(_TOTAL)
    )


def _plain_words(keyword: str) -> str:
    """The keyword without the signs that the search takes as commands."""
    return " ".join(re.sub(r'[":~*\\|!?/<>()\[\]{}]|(?<!\w)-', " ", keyword).split())


def _pages(query: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    pages = query.get("pages")
    # An older form of the replies has an object by page id in place of the list.
    listed = list(pages.values()) if isinstance(pages, dict) else items(pages)
    return (page for page in listed if isinstance(page, dict))


def _info(page: Mapping[str, object]) -> Mapping[str, object]:
    return mapping(next(iter(items(page.get("imageinfo"))), None))


def _described(page: Mapping[str, object]) -> Mapping[str, object]:
    """The values of the description page, which are HTML that people wrote."""
    fields = mapping(_info(page).get("extmetadata"))
    return {name: mapping(field).get("value") for name, field in fields.items()}


def _license(described: Mapping[str, object]) -> tuple[str, str, str]:
    """Id, name and address of the license."""
    name = plain_text(described.get("LicenseShortName"))[0] or plain_text(described.get("UsageTerms"))[0]
    address = web_address(text(described.get("LicenseUrl")).strip()) or ""
    return text(described.get("License")) or name, name, address


def _origin(links: Sequence[str]) -> str:
    """Flickr's photo, where the description says that the file was carried over from there."""
    found = (identity_of_address(link) for link in links)
    return next((one for one in found if one.startswith("flickr:")), "")


def _sha1(value: Any) -> str | None:
    digest = text(value).lower()
    return digest if re.fullmatch("[0-9a-f]{40}", digest) else None


PLUGIN = Commons
