"""Flickr, or any site that speaks its API (https://www.flickr.com/services/api/flickr.photos.search.html)."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any, ClassVar

from rawlabel.collect.http import HttpClient
from rawlabel.collect.sources import Page
from rawlabel.config import CollectConfig
from rawlabel.errors import SourceError
from rawlabel.records import Photo

PAGE_SIZE = 500
MOST_RESULTS = 4000
"""Flickr returns at most this many results for one query and then repeats the last page."""

# Sizes by suffix of the `url_` extra, smallest first (https://www.flickr.com/services/api/misc.urls.html);
# the square thumbnails are left out, since they cut the photo.
_SIZES = ("t", "s", "n", "w", "m", "z", "c", "l", "h", "k", "o")
_EXTRAS = ("license", "owner_name", "date_upload", "date_taken", "tags", *(f"url_{size}" for size in _SIZES))

# Faults that pass (10, 105, 201 and 0 mean "currently not available"); all other codes are final.
_PASSING_CODES = frozenset({0, 10, 105, 201})
_KEY_CODES = frozenset({95, 96, 97, 98, 99, 100})

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


class Flickr:
    """Flickr's photo search; one call returns up to 500 photos with their image addresses."""

    base_url: ClassVar[str] = "https://api.flickr.com"
    key_variable: ClassVar[str | None] = "FLICKR_API_KEY"
    terms: ClassVar[str] = (
        "store photos no longer than needed, remove what owners take down, link to the photo page; this "
        "product uses the Flickr API but is not endorsed or certified by SmugMug, Inc."
    )

    def __init__(self, http: HttpClient, config: CollectConfig, api_key: str | None) -> None:
        self._http = http
        self._site = (config.base_url or self.base_url).rstrip("/")
        self._wanted_side = config.image_size
        self._attempts = config.attempts
        self._key = api_key or os.environ.get(str(self.key_variable), "")
        if not self._key:
            raise SourceError(
                f"flickr: no API key; set the environment variable {self.key_variable} "
                "(a simulated site takes any word)"
            )

    async def search(self, keyword: str, cursor: str | None) -> Page:
        """One page by relevance, safe photos only."""
        number = int(cursor or 1)
        reply = await self._call(
            "flickr.photos.search", text=keyword, page=str(number), per_page=str(PAGE_SIZE), sort="relevance",
            safe_search="1", content_type="1", media="photos", extras=",".join(_EXTRAS),
        )  # fmt: skip
        try:
            listing = reply["photos"]
            total = _integer(listing["total"]) or 0
            photos = tuple(self._photo(one) for one in listing["photo"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(f"{self._site}: sent a reply without photos; is --base-url a photo site?") from error
        is_last = not photos or number * PAGE_SIZE >= min(total, MOST_RESULTS)
        return Page(photos, (number - 1) * PAGE_SIZE, None if is_last else str(number + 1), total)

    def is_placeholder(self, final_url: str) -> bool:
        """Removed photos redirect to `.../photo_unavailable*.png`, in several languages' folders."""
        return "photo_unavailable" in final_url

    async def _call(self, method: str, **parameters: str) -> dict[str, Any]:
        """Call the API; passing faults, which Flickr sends with HTTP 200, are tried again."""
        query = {"method": method, "api_key": self._key, "format": "json", "nojsoncallback": "1", **parameters}
        message = ""
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(0.5 * 2**attempt)
            response = await self._http.get(f"{self._site}/services/rest/", query)
            if response.failure is not None:
                raise SourceError(f"{self._site}: {response.detail}; check --base-url and the network")
            try:
                reply = json.loads(response.body)
            except (ValueError, RecursionError):
                message = "sent something that is not JSON"
                continue
            if isinstance(reply, dict) and reply.get("stat") == "ok":
                return reply
            message = self._explain(reply)
        raise SourceError(f"{self._site}: {message}; try again later or check --base-url")

    def _explain(self, reply: Any) -> str:
        """Say what a failure reply means; raises `SourceError` at once when asking again is no use."""
        if not isinstance(reply, dict):
            return "sent a reply without a status"
        code, text = reply.get("code"), str(reply.get("message", "")).replace("\n", " ")[:200]
        if code in _KEY_CODES:
            raise SourceError(f"{self._site}: refuses the API key ({text}); check {self.key_variable}")
        if code not in _PASSING_CODES:
            raise SourceError(f"{self._site}: refuses the search (code {code}: {text})")
        return f"is not available (code {code}: {text})"

    def _photo(self, raw: dict[str, Any]) -> Photo:
        size = self._best_size(raw)
        license_id = _text(raw.get("license"))
        license_name, license_url = LICENSES.get(license_id, ("", ""))
        owner, photo_id = _text(raw.get("owner")), _text(raw["id"])
        if not photo_id:
            raise ValueError("a photo without an id")
        return Photo(
            source="flickr",
            photo_id=photo_id,
            url=raw[f"url_{size}"] if size else None,
            page_url=f"https://www.flickr.com/photos/{owner}/{photo_id}",
            title=_text(raw.get("title")),
            tags=_text(raw.get("tags")),
            author=_text(raw.get("ownername")),
            author_id=owner,
            license_id=license_id,
            license_name=license_name,
            license_url=license_url,
            uploaded_at=_integer(raw.get("dateupload")),
            # Flickr makes up a date taken (the upload time) when it has none, and says so.
            taken_at=None if _text(raw.get("datetakenunknown")) == "1" else _text(raw.get("datetaken")) or None,
            width=_integer(raw.get(f"width_{size}")),
            height=_integer(raw.get(f"height_{size}")),
        )

    def _best_size(self, raw: dict[str, Any]) -> str | None:
        """The smallest size whose shorter side reaches the wanted one; else the largest there is."""
        offered = [size for size in _SIZES if _is_web_address(raw.get(f"url_{size}"))]
        sides = {
            size: min(_integer(raw.get(f"width_{size}")) or 0, _integer(raw.get(f"height_{size}")) or 0)
            for size in offered
        }
        enough = [size for size in offered if sides[size] >= self._wanted_side]
        return min(enough, key=sides.__getitem__) if enough else max(offered, key=sides.__getitem__, default=None)


def _text(value: Any) -> str:
    """Flickr sends ids as texts or numbers; whatever else stands there is no text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    # A lone surrogate, which JSON can spell, cannot be stored as UTF-8.
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _integer(value: Any) -> int | None:
    """Flickr sends numbers as numbers or as texts, and leaves some out."""
    try:
        number = int(_text(value))
    except ValueError:
        return None
    return number if abs(number) < 2**63 else None


def _is_web_address(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.startswith(("http://", "https://"))


PLUGIN = Flickr
