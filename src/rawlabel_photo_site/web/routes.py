"""Routes of the site's web application, with a count of the requests and a log of those for images."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from aiohttp import web

from rawlabel_photo_site.web.throttle import Throttle

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ImageRequest(NamedTuple):
    """One request to the image host."""

    time: float
    """Seconds of `time.monotonic` at which it came."""
    status: int
    """HTTP status of the reply."""


REQUESTS: web.AppKey[Counter[str]] = web.AppKey("requests", Counter)
"""Requests that an application has had by kind of route, as in `RunningSite`."""
IMAGE_LOG: web.AppKey[list[ImageRequest]] = web.AppKey("image_log", list)
"""Requests for images in the order in which they came."""


@dataclass(frozen=True, slots=True)
class Route:
    """Which handler answers which path."""

    kind: str
    """What the request is for, as in `RunningSite.requests`."""
    path: str
    handler: Handler
    method: str = "GET"


def application_of(routes: Iterable[Route], images_per_second: float | None = None) -> web.Application:
    """An application that counts its requests, and answers 429 to a client that asks for images too fast."""
    application = web.Application(middlewares=[_count])
    application[REQUESTS] = Counter()
    log: list[ImageRequest] = []
    application[IMAGE_LOG] = log
    throttle = None
    if images_per_second is not None:
        limit = max(1, math.floor(images_per_second))
        throttle = Throttle(limit, limit / images_per_second)
    for number, route in enumerate(routes):
        handler = _watched(route.handler, log, throttle) if route.kind == "image" else route.handler
        # The name carries the kind to the counter; names must differ.
        name = f"{route.kind}_{number}"
        if route.method == "GET":
            application.router.add_get(route.path, handler, name=name)
        else:
            application.router.add_route(route.method, route.path, handler, name=name)
    return application


def _watched(handler: Handler, log: list[ImageRequest], throttle: Throttle | None) -> Handler:
    async def watched(request: web.Request) -> web.StreamResponse:
        came, client = time.monotonic(), request.remote or ""
        wait = throttle.wait(client) if throttle is not None else 0.0
        if throttle is not None and wait > 0:
            log.append(ImageRequest(came, 429))
            return web.Response(
                status=429, text="Too Many Requests", headers={"Retry-After": str(max(1, math.ceil(wait)))}
            )
        if throttle is not None:
            throttle.admit(client)
        position = len(log)
        # The place in the log is that of the arrival; the status follows when it is known.
        log.append(ImageRequest(came, 0))
        response = await handler(request)
        log[position] = ImageRequest(came, response.status)
        return response

    return watched


@web.middleware
async def _count(request: web.Request, handler: Handler) -> web.StreamResponse:
    route = request.match_info.route.name or "other"
    request.app[REQUESTS][route.partition("_")[0]] += 1
    try:
        return await handler(request)
    except ConnectionResetError:
        # The client hung up, as clients that are stopped do; there is nobody to answer and nothing to log.
        return web.Response(status=400)
