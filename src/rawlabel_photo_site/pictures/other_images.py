"""The image hosts of Wikimedia Commons and iNaturalist, and the thumbnails of Openverse."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from email.utils import formatdate

from aiohttp import web

from rawlabel_photo_site.commons.commons_api import LADDER, CommonsApi, is_identified, original, thumbnail_size
from rawlabel_photo_site.inaturalist.inaturalist_api import SIZES, InaturalistApi, photo_size
from rawlabel_photo_site.openverse.openverse_api import OpenverseApi
from rawlabel_photo_site.pictures.renderer import image_file, large_file, scaled_file
from rawlabel_photo_site.web.image_host import ImageHost, corrupt_response
from rawlabel_photo_site.world.photos import Fault, SitePhoto

_THUMBNAIL = re.compile(r"(?P<width>[0-9]{1,5})px-.+")
_WIDEST_OPENVERSE_THUMBNAIL = 600


class OtherImages:
    """Serves the files that are not Flickr's; passing faults are those of Flickr's image host."""

    def __init__(
        self, host: ImageHost, commons: CommonsApi, openverse: OpenverseApi, inaturalist: InaturalistApi
    ) -> None:
        self._host = host
        self._commons = commons
        self._openverse = openverse
        self._inaturalist = inaturalist

    async def commons_original(self, request: web.Request) -> web.StreamResponse:
        """GET /wikipedia/commons/{a}/{ab}/{name}: for clients that say who they are."""
        if not is_identified(request.headers.get("User-Agent", "")):
            text = "Too many requests. Please set a user agent that names a contact."
            return web.Response(status=429, text=text, headers={"Retry-After": "5"})
        file = self._commons.file_at(request.match_info["name"])
        if file is None:
            return web.Response(status=404)
        if file.photo is None:
            return web.Response(body=original(file), content_type=file.mime)
        photo = file.photo
        return await self._send(request, photo, lambda: large_file(photo))

    async def commons_thumbnail(self, request: web.Request) -> web.StreamResponse:
        """GET /wikipedia/commons/thumb/{a}/{ab}/{name}/{width}px-{name}: for widths of the ladder alone."""
        file = self._commons.file_at(request.match_info["name"])
        parts = _THUMBNAIL.fullmatch(request.match_info["size"])
        if parts is not None and int(parts["width"]) not in LADDER:
            status = (400, 404, 429)[int(parts["width"]) % 3]
            text = "Use thumbnail steps listed on https://www.mediawiki.org/wiki/Common_thumbnail_sizes"
            return web.Response(status=status, text=text)
        size = thumbnail_size(file, int(parts["width"])) if file is not None and parts is not None else None
        if file is None or file.photo is None or size is None:
            return web.Response(status=404)
        photo = file.photo
        return await self._send(request, photo, lambda: scaled_file(photo, *size))

    async def inaturalist_photo(self, request: web.Request) -> web.StreamResponse:
        """GET /inaturalist-open-data/photos/{id}/{size}.jpg"""
        photo, size = self._inaturalist.photo(request.match_info["id"]), request.match_info["size"]
        if photo is None or size not in SIZES:
            return web.Response(status=404)
        known = SIZES[size]
        if known is not None and known.square and known.dimensions(photo.width, photo.height):
            return await self._send(request, photo, lambda: image_file(photo, known))
        return await self._send(request, photo, lambda: scaled_file(photo, *photo_size(photo, size)))

    async def openverse_thumbnail(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/images/{id}/thumb/: at most 600 pixels wide."""
        record = self._openverse.record(request.match_info["id"])
        if record is None:
            return web.Response(status=404)
        photo = record.photo
        width = min(_WIDEST_OPENVERSE_THUMBNAIL, record.width)
        height = max(1, round(record.height * width / record.width))
        return await self._send(request, photo, lambda: scaled_file(photo, width, height))

    async def _send(self, request: web.Request, photo: SitePhoto, make: Callable[[], bytes]) -> web.StreamResponse:
        if photo.gone or photo.fault in (Fault.MISSING, Fault.REMOVED):
            return web.Response(status=404)
        passing = self._host.passing_fault(request.path)
        if passing is not None:
            return passing
        if photo.fault is Fault.CORRUPT:
            return corrupt_response(photo)
        try:
            body = await asyncio.to_thread(make)
        except OSError:
            # A file of the user that was damaged or removed since the site was built.
            return web.Response(status=404)
        headers = {
            "Content-Type": "image/jpeg",
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            "Last-Modified": formatdate(photo.uploaded, usegmt=True),
        }
        return web.Response(
            body=body[: len(body) // 2] if photo.fault is Fault.TRUNCATED else body, headers=headers
        )
