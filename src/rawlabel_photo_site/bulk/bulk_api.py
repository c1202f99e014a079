"""The Flickr REST API over a `BulkSite`: search without image files, fast enough for millions of photos."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from aiohttp import web

from rawlabel_photo_site.bulk.bulk import FIRST_UPLOAD, LAST_UPLOAD, BulkSite, Uploads, folded
from rawlabel_photo_site.flickr.flickr_protocol import (
    Reply,
    claimed_total,
    dispatch,
    echo,
    filters_of,
    flickr_response,
    licenses,
    moment,
    page_of,
    refuse_without_limits,
    shown,
    total_as_sent,
)
from rawlabel_photo_site.web.routes import Route, application_of
from rawlabel_photo_site.world.licenses import LICENSES
from rawlabel_photo_site.world.sizes import BY_NAME, SIZES

_SHAPES = ((1024, 683), (1600, 1200), (768, 1024), (2048, 2048))
_PHOTOS_HERE = "photos stand here"


def bulk_site_application(site: BulkSite) -> web.Application:
    """The web application of a bulk site: Flickr's REST address alone, without images or pages."""
    api = BulkApi(site)

    async def rest(request: web.Request) -> web.Response:
        return flickr_response(request, api.answer(request.query, f"{request.scheme}://{request.host}"))

    return application_of([Route("api", "/services/rest/", rest), Route("api", "/services/rest", rest)])


class BulkApi:
    """Answers API calls about a bulk site."""

    def __init__(self, site: BulkSite) -> None:
        self._site = site

    def answer(self, parameters: Mapping[str, str], image_host: str) -> str:
        """The reply to one call as JSON text, errors of the interface included.

        `image_host` begins the photos' addresses.
        """
        photos = ""

        def search(parameters: Mapping[str, str], image_host: str) -> Reply:
            nonlocal photos
            reply, photos = self._search(parameters, image_host)
            return reply

        methods = {
            "flickr.photos.search": search,
            "flickr.photos.licenses.getInfo": licenses,
            "flickr.test.echo": echo,
        }
        text = json.dumps(dispatch(methods, parameters, image_host, None))
        # Filling in the photos as text is several times faster than as objects.
        return text.replace(json.dumps([_PHOTOS_HERE]), f"[{photos}]", 1)

    def _search(self, parameters: Mapping[str, str], image_host: str) -> tuple[Reply, str]:
        refuse_without_limits(parameters)
        site, keyword = self._site, folded(parameters.get("text", ""))
        known = keyword in site.counts and parameters.get("media") != "videos"
        rows = self._found(keyword, parameters) if known else np.zeros(0, np.intp)
        page, per_page = page_of(parameters)
        chosen = rows[shown(len(rows), page, per_page, site.max_results)]
        filters = filters_of(parameters)
        total = claimed_total(len(rows), site.count_noise, site.seed, filters)
        reply = {
            "photos": {
                "page": page,
                "pages": math.ceil(total / per_page),
                "perpage": per_page,
                "total": total_as_sent(total, site.seed, f"{filters}&{page}&{per_page}"),
                "photo": [_PHOTOS_HERE] if len(chosen) else [],
            }
        }
        extras = tuple(name.strip() for name in parameters.get("extras", "").split(",") if name.strip())
        photos = _photos(site.uploads(keyword).taken(chosen), keyword, extras, image_host) if len(chosen) else ""
        return reply, photos

    def _found(self, keyword: str, parameters: Mapping[str, str]) -> npt.NDArray[np.intp]:
        """Rows of the photos that a search finds, in the order that it asks for."""
        uploads = self._site.uploads(keyword)
        earliest, latest = moment(parameters, "min_upload_date"), moment(parameters, "max_upload_date")
        # The bounds are cut to numbers that an array can be compared with.
        low = FIRST_UPLOAD if earliest is None else min(max(earliest, 0), LAST_UPLOAD + 1)
        high = LAST_UPLOAD if latest is None else min(max(latest, 0), LAST_UPLOAD)
        first, end = (
            np.searchsorted(uploads.times, low, side="left"),
            np.searchsorted(uploads.times, high, side="right"),
        )
        kept = np.zeros(len(uploads.times), bool)
        kept[first:end] = True
        wanted = {value.strip() for value in parameters.get("license", "").split(",") if value.strip()}
        if wanted:
            kept &= np.isin(uploads.licenses, [number for number in range(len(LICENSES)) if str(number) in wanted])
        order = parameters.get("sort", "")
        if order == "relevance":
            ranked = self._site.relevance(keyword)
            return np.asarray(ranked[kept[ranked]], np.intp)
        rows = np.flatnonzero(kept)
        return rows if order == "date-posted-asc" else rows[::-1]


def _photos(uploads: Uploads, keyword: str, extras: tuple[str, ...], image_host: str) -> str:
    """The photos of a reply as JSON objects with commas between them."""
    taken = np.datetime_as_string((uploads.times - 3600).astype("datetime64[s]")).tolist()
    rows = zip(
        uploads.ids.tolist(),
        uploads.owners.tolist(),
        uploads.licenses.tolist(),
        uploads.times.tolist(),
        taken,
        strict=True,
    )
    texts = []
    for number, owner, license_id, uploaded, moment_taken in rows:
        # A multiplication mixes the bits, so that neighbors look unrelated.
        mixed = number * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFF
        template = _template(keyword, extras, image_host, mixed % len(_SHAPES))
        texts.append(
            template
            % {
                "id": number,
                "owner": 10_000_000 + owner,
                "license": license_id,
                "uploaded": uploaded,
                "taken": moment_taken.replace("T", " "),
                "secret": f"{mixed:012x}"[:10],
                "server": 60 + mixed % 8000,
                "number": mixed % 900 + 100,
            }
        )
    return ", ".join(texts)


@functools.lru_cache(maxsize=512)
def _template(keyword: str, extras: tuple[str, ...], image_host: str, shape: int) -> str:
    """One photo as JSON, with `%(name)s` where photos differ."""
    width, height = _SHAPES[shape]
    host, word = image_host.replace("%", "%%"), keyword.replace("%", "%%")
    entry: dict[str, Any] = {
        "id": "%(id)s",
        "owner": "%(owner)s@N00",
        "secret": "%(secret)s",
        "server": "%(server)s",
        "farm": 66,
        "title": f"{word} %(number)s",
        "ispublic": 1,
        "isfriend": 0,
        "isfamily": 0,
    }
    sizes = {size.name: fit for size in SIZES if (fit := size.dimensions(width, height))}
    for name in extras:
        entry.update(_EXTRAS.get(name, {}))
        if name == "tags":
            entry["tags"] = word
        size = BY_NAME.get(name.removeprefix("url_")) if name.startswith("url_") else None
        if size is not None and size.name in sizes:
            suffix = f"_{size.suffix}" if size.suffix else ""
            entry[name] = f"{host}/%(server)s/%(id)s_%(secret)s{suffix}.jpg"
            entry[f"height_{size.name}"], entry[f"width_{size.name}"] = sizes[size.name][::-1]
    return json.dumps(entry)


_EXTRAS: dict[str, dict[str, Any]] = {
    "description": {"description": {"_content": ""}},
    "license": {"license": "%(license)s"},
    "date_upload": {"dateupload": "%(uploaded)s"},
    "date_taken": {"datetaken": "%(taken)s", "datetakengranularity": "0", "datetakenunknown": "0"},
    "owner_name": {"ownername": "member %(owner)s"},
    "views": {"views": "%(number)s"},
    "media": {"media": "photo", "media_status": "ready"},
    "content_type": {"content_type": "0"},
}
