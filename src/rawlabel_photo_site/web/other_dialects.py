"""The web handlers of Wikimedia Commons, Openverse and iNaturalist, beside Flickr's on the same port."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable

from aiohttp import web

from rawlabel_photo_site.commons.commons_api import CommonsApi, is_refused
from rawlabel_photo_site.inaturalist.inaturalist_api import InaturalistApi, InaturalistError, Reply
from rawlabel_photo_site.openverse.openverse_api import Answer, OpenverseApi
from rawlabel_photo_site.pictures.other_images import OtherImages
from rawlabel_photo_site.web.image_host import ImageHost
from rawlabel_photo_site.web.routes import Route
from rawlabel_photo_site.world.site import PhotoSite

_LAG_HEADERS = {"maxlag": {"Retry-After": "5", "X-Database-Lag": "7"}, "ratelimited": {"Retry-After": "1"}}


class OtherDialects:
    """Answers for the sites that are not Flickr.

    What they hold is composed at the first request to any of them, outside the event loop: a client of Flickr
    alone does not wait for it.
    """

    def __init__(self, site: PhotoSite, host: ImageHost) -> None:
        self._site = site
        self._image_host = host
        self._lock = threading.Lock()
        self._made: tuple[CommonsApi, OpenverseApi, InaturalistApi, OtherImages] | None = None

    def routes(self) -> list[Route]:
        """All addresses of the three sites, replies and images, with the function that answers each."""
        commons = "/wikipedia/commons"
        return [
            Route("commons", "/w/api.php", self._commons),
            Route("openverse", "/v1/images/", self._openverse_search),
            Route("openverse", "/v1/images/{id}/", self._openverse_detail),
            Route("openverse", "/v1/rate_limit/", self._openverse_rate_limit),
            Route("openverse", "/v1/auth_tokens/token/", self._openverse_token, method="POST"),
            Route("inaturalist", "/v1/observations", self._inaturalist_search),
            Route("inaturalist", "/v1/observations/{ids}", self._inaturalist_observations),
            Route("image", f"{commons}/thumb/{{a}}/{{ab}}/{{name}}/{{size}}", self._commons_thumbnail),
            Route("image", f"{commons}/{{a}}/{{ab}}/{{name}}", self._commons_original),
            Route("image", "/inaturalist-open-data/photos/{id}/{size}.jpg", self._inaturalist_photo),
            Route("image", "/v1/images/{id}/thumb/", self._openverse_thumbnail),
        ]

    def _make(self) -> tuple[CommonsApi, OpenverseApi, InaturalistApi, OtherImages]:
        with self._lock:
            if self._made is None:
                apis = CommonsApi(self._site), OpenverseApi(self._site), InaturalistApi(self._site)
                self._made = (*apis, OtherImages(self._image_host, *apis))
        return self._made

    async def _apis(self) -> tuple[CommonsApi, OpenverseApi, InaturalistApi, OtherImages]:
        return await asyncio.to_thread(self._make) if self._made is None else self._made

    async def _commons(self, request: web.Request) -> web.Response:
        if is_refused(request.headers.get("User-Agent", "")):
            return web.Response(status=403, text="Please set a user agent that names a contact.")
        api, _, _, _ = await self._apis()
        # Digests of originals need the images, and those take their time.
        reply, code = await asyncio.to_thread(api.answer, request.query, _host(request))
        headers = {} if code is None else {"MediaWiki-API-Error": code, **_LAG_HEADERS.get(code, {})}
        return web.json_response(reply, headers=headers)

    async def _openverse_search(self, request: web.Request) -> web.Response:
        _, api, _, _ = await self._apis()
        return _sent(api.search(request.query, *_asking(request), _host(request)))

    async def _openverse_detail(self, request: web.Request) -> web.Response:
        _, api, _, _ = await self._apis()
        return _sent(api.detail(request.match_info["id"], *_asking(request), _host(request)))

    async def _openverse_rate_limit(self, request: web.Request) -> web.Response:
        _, api, _, _ = await self._apis()
        return _sent(api.rate_limit(*_asking(request)))

    async def _openverse_token(self, request: web.Request) -> web.Response:
        _, api, _, _ = await self._apis()
        form = await request.post()
        return _sent(api.token({name: value for name, value in form.items() if isinstance(value, str)}))

    async def _inaturalist_search(self, request: web.Request) -> web.Response:
        _, _, api, _ = await self._apis()
        return _unless_refused(lambda: api.search(request.query, request.remote or "", _host(request)))

    async def _inaturalist_observations(self, request: web.Request) -> web.Response:
        _, _, api, _ = await self._apis()
        ids = request.match_info["ids"]
        return _unless_refused(lambda: api.observations(ids, request.remote or "", _host(request)))

    async def _commons_original(self, request: web.Request) -> web.StreamResponse:
        return await (await self._apis())[3].commons_original(request)

    async def _commons_thumbnail(self, request: web.Request) -> web.StreamResponse:
        return await (await self._apis())[3].commons_thumbnail(request)

    async def _inaturalist_photo(self, request: web.Request) -> web.StreamResponse:
        return await (await self._apis())[3].inaturalist_photo(request)

    async def _openverse_thumbnail(self, request: web.Request) -> web.StreamResponse:
        return await (await self._apis())[3].openverse_thumbnail(request)


def _host(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _asking(request: web.Request) -> tuple[str, str]:
    """Address and authorization of the client."""
    return request.remote or "", request.headers.get("Authorization", "")


def _sent(answer: Answer) -> web.Response:
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)


def _unless_refused(answer: Callable[[], Reply]) -> web.Response:
    try:
        return web.Response(text=json.dumps(answer()), content_type="application/json")
    except InaturalistError as error:
        return web.json_response(error.reply, status=error.status, headers=error.headers)
