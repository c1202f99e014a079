"""The web application of a site."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from rawlabel_photo_site.bulk.bulk import BulkSite
from rawlabel_photo_site.bulk.bulk_api import bulk_site_application
from rawlabel_photo_site.flickr.flickr_api import FlickrApi
from rawlabel_photo_site.flickr.flickr_limits import FlickrLimits
from rawlabel_photo_site.flickr.flickr_protocol import flickr_response
from rawlabel_photo_site.flickr.pages import photo_page, results_page
from rawlabel_photo_site.pictures.drawings import unavailable_png
from rawlabel_photo_site.web.image_host import UNAVAILABLE_PATH, ImageHost
from rawlabel_photo_site.web.other_dialects import OtherDialects
from rawlabel_photo_site.web.routes import Route, application_of
from rawlabel_photo_site.world.site import PhotoSite

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'"
}


def make_application(site: PhotoSite | BulkSite) -> web.Application:
    """The web application that serves a site; its memory of passing faults starts empty."""
    return bulk_site_application(site) if isinstance(site, BulkSite) else _photo_site_application(site)


def _photo_site_application(site: PhotoSite) -> web.Application:
    """The web application of a site, with a memory of passing faults of its own."""
    api, images, placeholder = FlickrApi(site), ImageHost(site), unavailable_png()
    limits = FlickrLimits(site)

    async def rest(request: web.Request) -> web.Response:
        refusal = await limits.refusal(request.query)
        if refusal is not None:
            return refusal
        reply = api.answer(request.query, f"{request.scheme}://{request.host}")
        return flickr_response(request, json.dumps(reply))

    async def unavailable(request: web.Request) -> web.Response:
        return web.Response(body=placeholder, content_type="image/png")

    async def results(request: web.Request) -> web.Response:
        return web.Response(
            text=results_page(site, request.query), content_type="text/html", headers=_PAGE_HEADERS
        )

    async def photo(request: web.Request) -> web.Response:
        found = site.by_id.get(request.match_info["id"])
        if found is None or found.gone or found.owner.nsid != request.match_info["owner"]:
            return web.Response(status=404, text="There is no such photo.")
        return web.Response(text=photo_page(found), content_type="text/html", headers=_PAGE_HEADERS)

    async def truth(request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(site.truth))

    return application_of(
        [
            Route("api", "/services/rest/", rest),
            Route("api", "/services/rest", rest),
            Route("placeholder", UNAVAILABLE_PATH, unavailable),
            Route("page", "/", results),
            Route("page", "/photos/{owner}/{id}", photo),
            Route("page", "/photos/{owner}/{id}/", photo),
            Route("truth", "/truth.json", truth),
            Route("image", r"/{server:\d+}/{file}", images.image),
            *OtherDialects(site, images).routes(),
        ],
        site.rules.images_per_second,
    )
