"""The image host: files at addresses of Flickr's scheme, with the headers and the faults of the real one."""

from __future__ import annotations

import asyncio
import hashlib
import re
from email.utils import formatdate

from aiohttp import web

from rawlabel_photo_site.pictures.camera import generator
from rawlabel_photo_site.pictures.renderer import image_file
from rawlabel_photo_site.world.photos import Fault, SitePhoto
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_SUFFIX, Size

UNAVAILABLE_PATH = "/pw/images/en-us/photo_unavailable_l.png"
"""Where the addresses of removed photos redirect to."""

_FILE_NAME = re.compile(r"(?P<id>\d+)_(?P<secret>[0-9a-f]+)(?:_(?P<suffix>[a-z]))?\.jpg")
_CHUNK = 16_384
_ODD_ANSWERS = ("Content-Encoding: UTF-8", "203", "206")
_WEB_PAGE = (
    b"<!DOCTYPE html><html><head><title>Please wait</title></head><body><p>One moment ...</p></body></html>"
)


class ImageHost:
    """Serves image files, and remembers which have already had their passing fault."""

    def __init__(self, site: PhotoSite) -> None:
        self._site = site
        self._failed: set[str] = set()

    async def image(self, request: web.Request) -> web.StreamResponse:
        """GET /{server}/{id}_{secret}[_{size}].jpg"""
        found = self._find(request.match_info["server"], request.match_info["file"])
        if found is None or found[0].fault is Fault.MISSING:
            return web.Response(status=404)
        photo, size = found
        if self._chance("held up", request.path) < self._site.faults.image_held_up:
            return web.Response(status=503, text="Service Unavailable", headers={"Retry-After": "86400"})
        passing = self.passing_fault(request.path)
        if passing is not None:
            return passing
        if photo.fault is Fault.PRIVATE:
            # What the real host answers for these is not known.
            return web.Response(status=403)
        if photo.fault is Fault.REMOVED:
            return web.Response(status=302, headers={"Location": UNAVAILABLE_PATH})
        if photo.fault is Fault.CORRUPT:
            return corrupt_response(photo)
        try:
            body = await asyncio.to_thread(image_file, photo, size)
        except OSError:
            # A file of the user that was damaged or removed since the site was built.
            return web.Response(status=404)
        chance, share = self._chance("odd headers", request.path), self._site.faults.image_odd_headers
        odd = int(len(_ODD_ANSWERS) * chance / share) if chance < share else None
        return await _send(request, photo, size, body, None if odd is None else _ODD_ANSWERS[odd])

    def _chance(self, what: str, path: str) -> float:
        """From 0 to 1, the same for an address each time."""
        digest = hashlib.sha256(f"{self._site.config.seed}{what}{path}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def _find(self, server: str, file_name: str) -> tuple[SitePhoto, Size] | None:
        parts = _FILE_NAME.fullmatch(file_name)
        if parts is None:
            return None
        photo, size = self._site.by_id.get(parts["id"]), BY_SUFFIX.get(parts["suffix"] or "")
        if photo is None or size is None or not photo.offers(size):
            return None
        return (photo, size) if (photo.server, photo.secret(size)) == (server, parts["secret"]) else None

    def passing_fault(self, path: str) -> web.Response | None:
        """The fault of the first request of some addresses; None from the second one on."""
        if path in self._failed:
            return None
        chance, faults = self._chance("", path), self._site.faults
        if chance < faults.image_unavailable:
            self._failed.add(path)
            return web.Response(status=503, text="Service Unavailable")
        if chance < faults.image_unavailable + faults.image_throttled:
            self._failed.add(path)
            return web.Response(status=429, text="Too Many Requests", headers={"Retry-After": "1"})
        return None


def _headers(photo: SitePhoto, size: Size) -> dict[str, str]:
    width, height = size.dimensions(photo.width, photo.height) or (0, 0)
    tag = hashlib.sha256(photo.image_path(size).encode()).hexdigest()[:32]
    return {
        "Content-Type": "image/jpeg",
        "Cache-Control": "max-age=31536000,public",
        "ETag": f'"{tag}.1"',
        "Last-Modified": formatdate(photo.uploaded, usegmt=True),
        "imagewidth": str(width),
        "imageheight": str(height),
    }


async def _send(
    request: web.Request, photo: SitePhoto, size: Size, body: bytes, odd: str | None
) -> web.StreamResponse:
    headers, status = _headers(photo, size), 200
    if photo.fault is Fault.TRUNCATED:
        return web.Response(body=body[: len(body) // 2], headers=headers)
    if odd == "206":
        status, headers["Content-Range"] = 206, f"bytes 0-{len(body) - 1}/{len(body)}"
    elif odd == "203":
        status = 203
    elif odd is not None:
        headers["Content-Encoding"] = "UTF-8"
    response = web.StreamResponse(status=status, headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    if request.method != "HEAD":
        for start in range(0, len(body), _CHUNK):
            await response.write(body[start : start + _CHUNK])
    await response.write_eof()
    return response


def corrupt_response(photo: SitePhoto) -> web.Response:
    """A web page in place of the image for one half of the corrupt photos, garbage for the other."""
    random = generator("corrupt", photo.photo_id)
    if random.random() < 0.5:
        return web.Response(body=_WEB_PAGE, content_type="text/html", charset="utf-8")
    return web.Response(body=random.bytes(int(random.integers(2000, 9000))), content_type="image/jpeg")
