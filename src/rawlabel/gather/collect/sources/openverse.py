"""Openverse: an index of openly licensed images of many sites (https://api.openverse.org/v1/)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from rawlabel.base.licenses import LicensePreset
from rawlabel.errors import SourceError
from rawlabel.gather.collect.reading.commons_sizes import best_size
from rawlabel.gather.collect.reading.identities import identity_of_address
from rawlabel.gather.collect.reading.reply_values import integer, items, mapping, message, text, web_address
from rawlabel.gather.collect.source import (
    ABOUT_PHOTOS,
    Bounds,
    Page,
    Presence,
    Search,
    SearchLimits,
    Source,
    SourceContext,
)
from rawlabel.records import Photo

DEPTH = 240
"""Results that the pages of one query reach; the API states no more than these."""
COMFORTABLE_RESULTS = 200
"""Stated results up to which a search is taken whole: counts are inexact."""
ANONYMOUS = SearchLimits(20, DEPTH, COMFORTABLE_RESULTS, calls=((20, 60.0), (200, 86_400.0)))
# Pages of 48 reach the whole depth; those of 50, the largest allowed, end at 200.
REGISTERED = SearchLimits(48, DEPTH, COMFORTABLE_RESULTS, calls=((100, 60.0), (10_000, 86_400.0)))
_LONGEST_QUERY = 200
_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif")

_CC = "https://creativecommons.org"
LICENSES = {
    "by": ("CC BY 4.0", f"{_CC}/licenses/by/4.0/"),
    "by-sa": ("CC BY-SA 4.0", f"{_CC}/licenses/by-sa/4.0/"),
    "by-nc": ("CC BY-NC 4.0", f"{_CC}/licenses/by-nc/4.0/"),
    "by-nd": ("CC BY-ND 4.0", f"{_CC}/licenses/by-nd/4.0/"),
    "by-nc-sa": ("CC BY-NC-SA 4.0", f"{_CC}/licenses/by-nc-sa/4.0/"),
    "by-nc-nd": ("CC BY-NC-ND 4.0", f"{_CC}/licenses/by-nc-nd/4.0/"),
    "cc0": ("CC0 1.0", f"{_CC}/publicdomain/zero/1.0/"),
    "pdm": ("Public Domain Mark 1.0", f"{_CC}/publicdomain/mark/1.0/"),
}
"""Name and address of a license by its code, where the reply leaves them out."""
_SOURCE_NAMES = {"wikimedia": "commons", "inaturalist": "inaturalist", "flickr": "flickr"}
"""Our names of the sites whose photos can also be searched on the sites themselves."""
_DIVIDED = {"divided": True}
"""Bounds of a search that is to be split where it has more results than the pages reach."""


@dataclass(frozen=True, slots=True)
class _Results(Page):
    """A page that says from which sites its photos are."""

    sources: tuple[str, ...] = ()


class Openverse(Source):
    """Openverse: openly licensed images of Flickr, Wikimedia Commons, museums and many others."""

    base_url = "https://api.openverse.org"
    search_path = "/v1/images"
    key_variables = ("OPENVERSE_CLIENT_ID", "OPENVERSE_CLIENT_SECRET")
    terms = (
        "no scraping of the catalog and no evading of its limits (anonymous: 20 calls a minute, 200 a day; "
        "registered: 100 and 10,000): a few hundred photos a class; credit each photo's author and license"
    )

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._site = context.base_url
        self._client = tuple(os.environ.get(name, "") for name in self.key_variables)
        if any(self._client) and not all(self._client):
            raise SourceError(f"openverse: set both {' and '.join(self.key_variables)}, or neither")
        self.limits = REGISTERED if all(self._client) else ANONYMOUS
        self._headers: dict[str, str] = {}

    async def prepare(self) -> None:
        """Get a token for a registered client; it is kept in memory alone."""
        if not all(self._client):
            return
        form = {
            "grant_type": "client_credentials", "client_id": self._client[0], "client_secret": self._client[1],
        }  # fmt: skip
        reply = await self.context.api.get_json(
            f"{self._site}/v1/auth_tokens/token/", {}, self._explain_token, form=form
        )
        self._headers = {"Authorization": f"Bearer {reply['access_token']}"}

    async def search(self, search: Search) -> Page:
        """One page, best first; images that are marked as sensitive are left out."""
        number = max(1, integer(search.cursor) or 1)
        size = self.limits.page_size
        parameters = {
            "q": search.keyword[:_LONGEST_QUERY], "page": str(number), "page_size": str(size), "mature": "false",
            **{name: str(value) for name, value in search.bounds.items() if name not in _DIVIDED},
        }  # fmt: skip
        preset = self.context.config.licenses
        if "license" not in parameters and preset is not LicensePreset.ANY:
            parameters["license"] = ",".join(self._wanted_licenses())
        reply = await self._get(f"{self.search_path}/", parameters)
        results = [one for one in items(reply.get("results")) if isinstance(one, dict)]
        photos = tuple(photo for one in results if (photo := self._photo(one)) is not None)
        total = integer(reply.get("result_count"))
        if total is not None and total >= DEPTH:
            # Stated counts end at the depth, so one that reaches it stands for any number above.
            total = max(total, DEPTH + 1)
        # Neither number is exact, and either may be the lower one.
        end, stated = number * size, max(total or 0, (integer(reply.get("page_count")) or 0) * size)
        is_full = len(results) >= size
        is_last = end + size > DEPTH or (end >= stated and not is_full)
        return _Results(
            photos,
            end - size,
            None if is_last else str(number + 1),
            total,
            is_full and not is_last,
            num_listed=len(results),
            ends_at=end,
            sources=tuple(source for one in results if (source := text(one.get("source")))),
        )

    def first_parts(self, wanted: int) -> Sequence[tuple[str, Bounds]]:
        """The best while the pages reach far enough, else parts by source, license and file type."""
        return (("", {}),) if 0 < wanted <= DEPTH else (("d", _DIVIDED),)

    def further_parts(self, cut_off: Sequence[str]) -> Sequence[tuple[str, Bounds]]:
        """When the best have come to their end, parts."""
        return (("d", _DIVIDED),) if "" in cut_off else ()

    def split(
        self, bounds: Bounds, page: Page, until: int | None, median_upload: Callable[[int, int], int | None]
    ) -> Sequence[Bounds]:
        """By the sources that the first page shows and all others, then by license, then by file type."""
        if "divided" not in bounds or "extension" in bounds:
            return ()
        if "license" in bounds:
            return [{**bounds, "extension": one} for one in _EXTENSIONS]
        if "source" in bounds or "excluded_source" in bounds:
            return [{**bounds, "license": one} for one in self._wanted_licenses()]
        shown = Counter(page.sources if isinstance(page, _Results) else ())
        names = sorted(shown, key=lambda name: (-shown[name], name))
        if not names:
            return [{**bounds, "license": one} for one in self._wanted_licenses()]
        each = [{**bounds, "source": name} for name in names]
        return [*each, {**bounds, "excluded_source": ",".join(names)}]

    async def presence(self, photos: Sequence[Photo]) -> Mapping[str, Presence]:
        """For each photo id, whether Openverse still knows it, and its license now; one call for each photo."""
        await self.prepare_once()
        found = {}
        for photo in photos:
            reply = await self._get(f"{self.search_path}/{quote(photo.photo_id, safe='')}/", {}, ABOUT_PHOTOS)
            is_there = text(reply.get("id")) == photo.photo_id
            found[photo.photo_id] = Presence(is_there, *(_license(reply)[1:] if is_there else (None, None)))
        return found

    def _wanted_licenses(self) -> list[str]:
        preset = self.context.config.licenses
        return [code for code, named in LICENSES.items() if preset.allows(*named)]

    async def _get(
        self, path: str, parameters: Mapping[str, str], asked: str = "the search"
    ) -> Mapping[str, object]:
        explain = partial(self._explain, asked=asked)
        reply = await self.context.api.get_json(self._site + path, parameters, explain, headers=self._headers)
        assert isinstance(reply, dict)
        return reply

    def _explain(self, reply: Any, asked: str = "the search") -> str | None:
        if not isinstance(reply, dict):
            raise SourceError(f"{self._site}: sent a reply without images; is --base-url the API of Openverse?")
        if isinstance(reply.get("results"), list) or "id" in reply:
            return None
        token = self._headers.get("Authorization", "").removeprefix("Bearer ")
        detail = reply.get("detail")
        words = message(detail if isinstance(detail, str) else str(detail or ""), *self._client, token)
        if words.startswith(("No Image matches", "Not found", "Invalid page")):
            return None
        if "throttled" in words:
            return f"asks to slow down ({words})"
        if words:
            raise SourceError(f"{self._site}: refuses {asked} ({words})")
        raise SourceError(f"{self._site}: sent a reply without images; is --base-url the API of Openverse?")

    def _explain_token(self, reply: Any) -> str | None:
        token = mapping(reply).get("access_token")
        if isinstance(token, str) and token.isascii() and token.isprintable() and token:
            return None
        words = message(mapping(reply).get("error"), *self._client)
        names = " and ".join(self.key_variables)
        raise SourceError(f"{self._site}: refuses the client ({words or 'no token'}); check {names}")

    def _photo(self, raw: Mapping[str, object]) -> Photo | None:
        photo_id, page_url = text(raw.get("id")), web_address(raw.get("foreign_landing_url"))
        if not photo_id or raw.get("mature") is True:
            return None
        source = text(raw.get("source")) or text(raw.get("provider"))
        code, license_name, license_url = _license(raw)
        creator = text(raw.get("creator"))
        tags = (text(mapping(one).get("name")) for one in items(raw.get("tags")))
        # One size is offered, which for files of Commons is the original; the host of Commons has smaller ones.
        size = best_size(
            web_address(raw.get("url")),
            integer(raw.get("width")),
            integer(raw.get("height")),
            self.context.config.image_size,
        )
        return Photo(
            source="openverse",
            photo_id=photo_id,
            url=size.address,
            page_url=page_url,
            title=text(raw.get("title")),
            tags=text(" ".join(tag for tag in tags if tag)),
            author=creator,
            author_id=f"{source}/{web_address(raw.get('creator_url')) or creator}" if creator else "",
            author_url=web_address(raw.get("creator_url")),
            license_id=code,
            license_name=license_name,
            license_url=license_url,
            width=size.width,
            height=size.height,
            size_label=size.label,
            origin=_origin(source, page_url),
        )


def _license(raw: Mapping[str, object]) -> tuple[str, str, str]:
    """Code, name and address of the license."""
    code, version = text(raw.get("license")).lower(), text(raw.get("license_version"))
    name, address = LICENSES.get(code, (code, ""))
    if version:
        name = f"{name.removesuffix(' 4.0').removesuffix(' 1.0')} {version}"
    return f"{code} {version}".strip(), name, web_address(raw.get("license_url")) or address


def _origin(source: str, page_url: str | None) -> str:
    """The photo on the site where Openverse found it: its identity there, or the address of its page."""
    if not page_url:
        return ""
    return identity_of_address(page_url) or f"{_SOURCE_NAMES.get(source, source or 'web')}:{page_url}"


PLUGIN = Openverse
