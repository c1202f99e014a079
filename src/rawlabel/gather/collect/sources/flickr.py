"""Flickr, or any site that speaks its API (https://www.flickr.com/services/api/flickr.photos.search.html)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rawlabel.base.licenses import LicensePreset
from rawlabel.errors import SourceError
from rawlabel.gather.collect.http.api import Explain
from rawlabel.gather.collect.reading.reply_values import integer, mapping, message, text, web_address
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

PAGE_SIZE = 500
MOST_RESULTS = 4000
"""Flickr returns at most this many results for one query and then repeats the last page."""
COMFORTABLE_RESULTS = 3000
"""Stated results up to which a slice is taken whole: Flickr's totals have been seen 750 too low."""
FIRST_UPLOAD = 1_075_593_600
"""Flickr opened in February 2004; no photo was uploaded before [seconds since 1970]."""
_BY_DATE = ("d", {"from": FIRST_UPLOAD})

# Sizes by suffix of the `url_` extra, smallest first (https://www.flickr.com/services/api/misc.urls.html);
# the square thumbnails are left out, since they cut the photo.
_SIZES = ("t", "s", "n", "w", "m", "z", "c", "l", "h", "k", "o")
_EXTRAS = ("license", "owner_name", "date_upload", "date_taken", "tags", *(f"url_{size}" for size in _SIZES))

# Faults that pass: all of these say "currently not available", two of them without being documented, and the same
# words may come under another code. All else is final.
_PASSING_CODES = frozenset({0, 10, 105, 201})
_PASSING_WORDS = ("not currently available", "currently unavailable", "temporarily unavailable")
_KEY_CODES = frozenset({95, 96, 97, 98, 99, 100})
_GONE_CODES = frozenset({1, 2})
"""Of flickr.photos.getInfo: the photo is not found, or the caller may not see it."""

_CC = "https://creativecommons.org"
LICENSES: dict[str, tuple[str, str]] = {
    "0": ("All Rights Reserved", ""),
    "1": ("CC BY-NC-SA 2.0", f"{_CC}/licenses/by-nc-sa/2.0/"),
    "2": ("CC BY-NC 2.0", f"{_CC}/licenses/by-nc/2.0/"),
    "3": ("CC BY-NC-ND 2.0", f"{_CC}/licenses/by-nc-nd/2.0/"),
    "4": ("CC BY 2.0", f"{_CC}/licenses/by/2.0/"),
    "5": ("CC BY-SA 2.0", f"{_CC}/licenses/by-sa/2.0/"),
    "6": ("CC BY-ND 2.0", f"{_CC}/licenses/by-nd/2.0/"),
    "7": ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    "8": ("United States Government Work", "https://www.usa.gov/government-copyright"),
    "9": ("CC0 1.0", f"{_CC}/publicdomain/zero/1.0/"),
    "10": ("Public Domain Mark 1.0", f"{_CC}/publicdomain/mark/1.0/"),
    "11": ("CC BY 4.0", f"{_CC}/licenses/by/4.0/"),
    "12": ("CC BY-SA 4.0", f"{_CC}/licenses/by-sa/4.0/"),
    "13": ("CC BY-ND 4.0", f"{_CC}/licenses/by-nd/4.0/"),
    "14": ("CC BY-NC 4.0", f"{_CC}/licenses/by-nc/4.0/"),
    "15": ("CC BY-NC-SA 4.0", f"{_CC}/licenses/by-nc-sa/4.0/"),
    "16": ("CC BY-NC-ND 4.0", f"{_CC}/licenses/by-nc-nd/4.0/"),
}


class Flickr(Source):
    """Flickr's photo search; one call returns up to 500 photos with their image addresses."""

    base_url = "https://api.flickr.com"
    search_path = "/services/rest"
    key_variables = ("FLICKR_API_KEY",)
    needs_key = True
    splits = True
    terms = (
        "store photos no longer than needed, remove what owners take down, link to the photo page; this "
        "product uses the Flickr API but is not endorsed or certified by SmugMug, Inc."
    )
    limits = SearchLimits(PAGE_SIZE, MOST_RESULTS, COMFORTABLE_RESULTS, calls=((3600, 3600.0),))

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._site = context.base_url
        self._wanted_side = context.config.image_size
        self._licenses = dict(LICENSES)
        self._key = context.key or os.environ.get(self.key_variables[0], "")
        if not self._key:
            raise SourceError(
                f"flickr: no API key; set the environment variable {self.key_variables[0]} "
                "(a simulated site takes any word)"
            )

    async def prepare(self) -> None:
        """Bring the table of licenses up to date: new ones come up (11 to 16 did in 2025)."""
        reply = await self._call("flickr.photos.licenses.getInfo")
        try:
            listed: Any = reply["licenses"]
            fresh = {text(one["id"]): (text(one["name"]), text(one["url"])) for one in listed["license"]}
        except (KeyError, TypeError, AttributeError):
            return
        self._licenses |= {number: (LICENSES.get(number, named)[0], named[1]) for number, named in fresh.items()}

    async def search(self, search: Search) -> Page:
        """One page: of a slice of upload dates by date, of the whole by relevance; safe photos only."""
        number = max(1, integer(search.cursor) or 1)
        parameters = {
            "text": search.keyword, "page": str(number), "per_page": str(PAGE_SIZE), "safe_search": "1",
            "content_type": "1", "media": "photos", "extras": ",".join(_EXTRAS), "sort": "relevance",
        }  # fmt: skip
        latest = search.bounds.get("to") or search.until
        if latest is not None:
            parameters["max_upload_date"] = str(latest)
        if "from" in search.bounds:
            # Ascending, so that uploads that come in meanwhile move nothing; both bounds are inclusive.
            parameters |= {"sort": "date-posted-asc", "min_upload_date": str(search.bounds["from"])}
        wanted_licenses = search.bounds.get("license") or self._wanted_licenses()
        if wanted_licenses:
            parameters["license"] = wanted_licenses
        reply = await self._call("flickr.photos.search", **parameters)
        try:
            listing: Any = reply["photos"]
            total = integer(listing["total"]) or 0
            photos = tuple(self._photo(one) for one in listing["photo"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(f"{self._site}: sent a reply without photos; is --base-url a photo site?") from error
        end = number * PAGE_SIZE
        is_last = end >= MOST_RESULTS or (not photos and end >= total)
        next_cursor = None if is_last else str(number + 1)
        return Page(photos, end - PAGE_SIZE, next_cursor, total, len(photos) >= PAGE_SIZE, ends_at=end)

    def first_parts(self, wanted: int) -> Sequence[tuple[str, Bounds]]:
        """The best by relevance while the site hands out enough of them, else all by date of upload."""
        return (("", {}),) if 0 < wanted <= MOST_RESULTS else (_BY_DATE,)

    def further_parts(self, cut_off: Sequence[str]) -> Sequence[tuple[str, Bounds]]:
        """When relevance has come to the site's limit, all by date of upload."""
        return (_BY_DATE,) if "" in cut_off else ()

    def split(
        self, bounds: Bounds, page: Page, until: int | None, median_upload: Callable[[int, int], int | None]
    ) -> Sequence[Bounds]:
        """Two slices of upload dates with about as many photos each; within one second, one part a license.

        The page is the beginning of the slice, so the new slices begin at its last second: nothing is asked twice
        but that second.
        """
        latest = bounds.get("to") or until
        if "from" not in bounds or "license" in bounds or latest is None:
            return ()
        uploads = [photo.uploaded_at for photo in page.photos if photo.uploaded_at is not None]
        earliest = min(max([bounds["from"], *uploads]), latest)
        if earliest == latest:
            return [{"from": earliest, "to": latest, "license": number} for number in self._licenses]
        middle = median_upload(earliest, latest)
        if middle is None or not earliest < middle <= latest:
            middle = (earliest + latest + 1) // 2
        return [{"from": earliest, "to": middle - 1}, {"from": middle, "to": latest}]

    async def presence(self, photos: Sequence[Photo]) -> Mapping[str, Presence]:
        """One call for each photo; one that was made private is not found."""
        await self.prepare_once()
        found = {}
        for photo in photos:
            reply = await self._call("flickr.photos.getInfo", self._explain_presence, photo_id=photo.photo_id)
            if reply.get("stat") != "ok":
                found[photo.photo_id] = Presence(False)
                continue
            info = mapping(reply.get("photo"))
            named = self._licenses.get(text(info.get("license")), (None, None))
            if text(info.get("id")) == photo.photo_id:
                found[photo.photo_id] = Presence(True, *named)
        return found

    def _wanted_licenses(self) -> str:
        """The ids of the licenses asked for, comma separated; empty when any will do."""
        preset = self.context.config.licenses
        if preset is LicensePreset.ANY:
            return ""
        return ",".join(number for number, named in self._licenses.items() if preset.allows(*named))

    async def _call(
        self, method: str, explain: Explain | None = None, /, **parameters: str
    ) -> Mapping[str, object]:
        """Call the API; faults come with HTTP status 200 and a code."""
        query = {"method": method, "api_key": self._key, "format": "json", "nojsoncallback": "1", **parameters}
        reply = await self.context.api.get_json(
            f"{self._site}{self.search_path}/", query, explain or self._explain
        )
        assert isinstance(reply, dict)
        return reply

    def _explain(self, reply: Any, asked: str = "the search") -> str | None:
        """Say what a failure reply means; raises `SourceError` at once when asking again is no use."""
        if not isinstance(reply, dict):
            return "sent a reply without a status"
        if reply.get("stat") == "ok":
            return None
        code, words = integer(reply.get("code")), message(reply.get("message"), self._key)
        if code in _KEY_CODES:
            raise SourceError(f"{self._site}: refuses the API key ({words}); check {self.key_variables[0]}")
        if code not in _PASSING_CODES and not any(one in words.lower() for one in _PASSING_WORDS):
            raise SourceError(f"{self._site}: refuses {asked} (code {code}: {words})")
        return f"is not available (code {code}: {words})"

    def _explain_presence(self, reply: Any) -> str | None:
        if integer(mapping(reply).get("code")) in _GONE_CODES:
            return None
        return self._explain(reply, ABOUT_PHOTOS)

    def _photo(self, raw: Mapping[str, object]) -> Photo:
        size = self._best_size(raw)
        license_id = text(raw.get("license"))
        license_name, license_url = self._licenses.get(license_id, ("", ""))
        owner, photo_id = text(raw.get("owner")), text(raw["id"])
        if not photo_id:
            raise ValueError("a photo without an id")
        owner_path = quote(owner, safe="@")
        return Photo(
            source="flickr",
            photo_id=photo_id,
            url=web_address(raw[f"url_{size}"]) if size else None,
            page_url=f"https://www.flickr.com/photos/{owner_path}/{quote(photo_id)}",
            title=text(raw.get("title")),
            tags=text(raw.get("tags")),
            author=text(raw.get("ownername")),
            author_id=owner,
            license_id=license_id,
            license_name=license_name,
            license_url=license_url,
            uploaded_at=integer(raw.get("dateupload")),
            # Flickr makes up a date taken (the upload time) when it has none, and says so.
            taken_at=None if text(raw.get("datetakenunknown")) == "1" else text(raw.get("datetaken")) or None,
            width=integer(raw.get(f"width_{size}")),
            height=integer(raw.get(f"height_{size}")),
            size_label=size or "",
            author_url=f"https://www.flickr.com/people/{owner_path}" if owner else None,
        )

    def _best_size(self, raw: Mapping[str, object]) -> str | None:
        """The smallest size whose shorter side reaches the wanted one; else the largest there is."""
        offered = [size for size in _SIZES if web_address(raw.get(f"url_{size}"))]
        sides = {
            size: min(integer(raw.get(f"width_{size}")) or 0, integer(raw.get(f"height_{size}")) or 0)
            for size in offered
        }
        enough = [size for size in offered if sides[size] >= self._wanted_side]
        return min(enough, key=sides.__getitem__) if enough else max(offered, key=sides.__getitem__, default=None)


PLUGIN = Flickr
