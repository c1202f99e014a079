"""The part of the Flickr REST API that the site speaks (https://www.flickr.com/services/api/).

Errors come with HTTP status 200 and `"stat": "fail"`, as on the real site. Parameters that the API does not
know are ignored.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rawlabel.photo_site import rates
from rawlabel.photo_site.photos import SitePhoto
from rawlabel.photo_site.site import PhotoSite
from rawlabel.photo_site.sizes import BY_NAME

Reply = dict[str, Any]
_CC = "https://creativecommons.org/"
LICENSES: tuple[tuple[str, str], ...] = (
    ("All Rights Reserved", "https://www.flickrhelp.com/hc/en-us/articles/10710266545556"),
    ("CC BY-NC-SA 2.0", f"{_CC}licenses/by-nc-sa/2.0/"),
    ("CC BY-NC 2.0", f"{_CC}licenses/by-nc/2.0/"),
    ("CC BY-NC-ND 2.0", f"{_CC}licenses/by-nc-nd/2.0/"),
    ("CC BY 2.0", f"{_CC}licenses/by/2.0/"),
    ("CC BY-SA 2.0", f"{_CC}licenses/by-sa/2.0/"),
    ("CC BY-ND 2.0", f"{_CC}licenses/by-nd/2.0/"),
    ("No known copyright restrictions", "https://www.flickr.com/commons/usage/"),
    ("United States Government Work", "http://www.usa.gov/copyright.shtml"),
    ("Public Domain Dedication (CC0)", f"{_CC}publicdomain/zero/1.0/"),
    ("Public Domain Mark", f"{_CC}publicdomain/mark/1.0/"),
    ("CC BY 4.0", f"{_CC}licenses/by/4.0/"),
    ("CC BY-SA 4.0", f"{_CC}licenses/by-sa/4.0/"),
    ("CC BY-ND 4.0", f"{_CC}licenses/by-nd/4.0/"),
    ("CC BY-NC 4.0", f"{_CC}licenses/by-nc/4.0/"),
    ("CC BY-NC-SA 4.0", f"{_CC}licenses/by-nc-sa/4.0/"),
    ("CC BY-NC-ND 4.0", f"{_CC}licenses/by-nc-nd/4.0/"),
)
"""Name and address of each licence; the position is its id."""

_MOST_PER_PAGE = 500
_USUAL_PER_PAGE = 100
_LIMITING = ("text", "tags", "user_id", "min_upload_date", "max_upload_date")
_SORT_KEYS: dict[str, Callable[[SitePhoto], int]] = {
    "date-posted": lambda photo: photo.uploaded,
    "date-taken": lambda photo: photo.taken,
    "interestingness": lambda photo: photo.views,
}


class ApiError(Exception):
    """An error reply of the API."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.reply: Reply = {"stat": "fail", "code": code, "message": message}


class FlickrApi:
    """Answers API calls. `failed` are the requests that have already had their passing fault."""

    def __init__(self, site: PhotoSite) -> None:
        self._site = site
        self._failed: set[str] = set()
        self._methods: dict[str, Callable[[Mapping[str, str], str], Reply]] = {
            "flickr.photos.search": self._search,
            "flickr.photos.licenses.getInfo": self._licenses,
            "flickr.test.echo": self._echo,
        }

    def answer(self, parameters: Mapping[str, str], image_host: str) -> Reply:
        """The reply to one call; addresses of images start with `image_host`."""
        try:
            name = parameters.get("method", "")
            method = self._methods.get(name)
            if method is None:
                raise ApiError(112, f'Method "{name}" not found')
            self._check_key(parameters.get("api_key", ""))
            if parameters.get("format") != "json":
                raise ApiError(111, f'Format "{parameters.get("format", "rest")}" not found')
            return {**method(parameters, image_host), "stat": "ok"}
        except ApiError as error:
            return error.reply

    def _check_key(self, key: str) -> None:
        demanded = self._site.config.api_key
        if not key.strip() or (demanded is not None and key != demanded):
            raise ApiError(100, "Invalid API Key (Key has invalid format)")

    def _licenses(self, parameters: Mapping[str, str], image_host: str) -> Reply:
        entries = [{"id": number, "name": name, "url": url} for number, (name, url) in enumerate(LICENSES)]
        return {"licenses": {"license": entries}}

    def _echo(self, parameters: Mapping[str, str], image_host: str) -> Reply:
        return {name: {"_content": value} for name, value in parameters.items()}

    def _search(self, parameters: Mapping[str, str], image_host: str) -> Reply:
        if not any(parameters.get(name, "").strip() for name in _LIMITING):
            raise ApiError(
                3, "Parameterless searches have been disabled. Please use flickr.photos.getRecent instead."
            )
        query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()) if name != "api_key")
        self._fail_once(query)
        found = find(self._site, parameters)
        per_page = min(_whole_number(parameters, "per_page", _USUAL_PER_PAGE), _MOST_PER_PAGE)
        page = _whole_number(parameters, "page", 1)
        served = page
        if len(found) > self._site.max_results:
            served = min(page, math.ceil(self._site.max_results / per_page))
        shown = found[: self._site.max_results][(served - 1) * per_page : served * per_page]
        extras = [name.strip() for name in parameters.get("extras", "").split(",") if name.strip()]
        chance = _chance(self._site.config.seed, "total", query)
        total: int | str = len(found)
        if chance < rates.STRING_TOTAL:
            total = str(len(found)) if found else ""
        return {
            "photos": {
                "page": page,
                "pages": math.ceil(len(found) / per_page),
                "perpage": per_page,
                "total": total,
                "photo": [entry(self._site.photos[position], extras, image_host) for position in shown],
            }
        }

    def _fail_once(self, query: str) -> None:
        chance = _chance(self._site.config.seed, "fault", query)
        if chance < self._site.faults.api_unavailable and query not in self._failed:
            self._failed.add(query)
            if chance < self._site.faults.api_unavailable / 4:
                raise ApiError(105, "Service currently unavailable")
            raise ApiError(201, "Sorry, the Flickr API service is not currently available.")


def _chance(seed: int, purpose: str, query: str) -> float:
    """A number in 0 to 1 that depends on the arguments only."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{query}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def find(site: PhotoSite, parameters: Mapping[str, str]) -> list[int]:
    """Positions of the photos that a search finds, in the order that it asks for."""
    text, tags = parameters.get("text", "").strip(), parameters.get("tags", "").strip()
    positions = set(range(len(site.photos)))
    if text:
        positions &= site.index.with_text(text)
    if tags:
        positions &= site.index.with_tags(tags.split(","), every=parameters.get("tag_mode") == "all")
    if parameters.get("media") == "videos":
        positions = set()
    earliest, latest = _moment(parameters, "min_upload_date"), _moment(parameters, "max_upload_date")
    licenses = {value.strip() for value in parameters.get("license", "").split(",") if value.strip()}
    owner = parameters.get("user_id", "").strip()
    kept = frozenset(
        position
        for position in positions
        if (earliest is None or site.photos[position].uploaded >= earliest)
        and (latest is None or site.photos[position].uploaded <= latest)
        and (not licenses or str(site.photos[position].license_id) in licenses)
        and (not owner or site.photos[position].owner.nsid == owner)
    )
    order = parameters.get("sort", "")
    if order == "relevance":
        return list(site.index.ranked(f"{text} {tags}", kept))
    name, _, direction = order.rpartition("-")
    key = _SORT_KEYS.get(name, _SORT_KEYS["date-posted"])
    rising = direction == "asc" and name in _SORT_KEYS
    return sorted(kept, key=lambda position: (key(site.photos[position]), position), reverse=not rising)


def _whole_number(parameters: Mapping[str, str], name: str, usual: int) -> int:
    value = parameters.get(name, "")
    number = int(value) if re.fullmatch("[0-9]{1,9}", value) else 0
    return number or usual


def _moment(parameters: Mapping[str, str], name: str) -> int | None:
    """Seconds since 1970 of a parameter that holds them, or a date and time as MySQL writes it."""
    value = parameters.get(name, "").strip()
    if not value:
        return None
    try:
        if value.lstrip("-").isdigit():
            return int(value)
        return int(datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ApiError(18, f"Illogical arguments: {name} is no date") from None


def entry(photo: SitePhoto, extras: list[str], image_host: str) -> Reply:
    """One photo of a search reply, with exactly the extras that were asked for."""
    basic: Reply = {
        "id": photo.photo_id,
        "owner": photo.owner.nsid,
        "secret": photo.secret(BY_NAME["m"]),
        "server": photo.server,
        "farm": 66,
        "title": photo.caption.title,
        "ispublic": 1,
        "isfriend": 0,
        "isfamily": 0,
    }
    sizes = photo.sizes()
    for name in extras:
        if name in _EXTRAS:
            basic.update(_EXTRAS[name](photo))
        elif (size_name := name.removeprefix("url_")) != name and size_name in sizes:
            width, height = sizes[size_name]
            basic[name] = image_host + photo.image_path(BY_NAME[size_name])
            basic[f"height_{size_name}"], basic[f"width_{size_name}"] = height, width
    return basic


def _taken(photo: SitePhoto) -> Reply:
    return {
        "datetaken": datetime.fromtimestamp(photo.taken, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        # The real site mixes the two types.
        "datetakengranularity": "0" if photo.uploaded % 2 else 0,
        "datetakenunknown": "1" if photo.taken_unknown else "0",
    }


def _original_size(photo: SitePhoto) -> Reply:
    return {"o_width": str(photo.width), "o_height": str(photo.height)} if "o" in photo.offered else {}


_EXTRAS: dict[str, Callable[[SitePhoto], Reply]] = {
    "description": lambda photo: {"description": {"_content": photo.caption.description}},
    "license": lambda photo: {"license": str(photo.license_id)},
    "date_upload": lambda photo: {"dateupload": str(photo.uploaded)},
    "date_taken": _taken,
    "owner_name": lambda photo: {"ownername": photo.owner.name},
    "icon_server": lambda photo: {"iconserver": "0", "iconfarm": 0},
    "original_format": lambda photo: {"originalformat": "jpg"} if "o" in photo.offered else {},
    "last_update": lambda photo: {"lastupdate": str(photo.uploaded)},
    "geo": lambda photo: {"latitude": 0, "longitude": 0, "accuracy": 0, "context": 0},
    "tags": lambda photo: {"tags": " ".join(photo.caption.tags)},
    "machine_tags": lambda photo: {"machine_tags": ""},
    "o_dims": _original_size,
    "views": lambda photo: {"views": str(photo.views)},
    "media": lambda photo: {"media": "photo", "media_status": "ready"},
    "path_alias": lambda photo: {"pathalias": None},
    "content_type": lambda photo: {"content_type": "0"},
}
