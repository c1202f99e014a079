"""Serve the site on loopback: as a command that waits for a signal, or in a thread beside a test or a demo."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import json
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from rawlabel.base.signals import loop_signals
from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import ConfigError, Interrupted
from rawlabel_photo_site.flickr.flickr_api import FlickrApi
from rawlabel_photo_site.flickr.flickr_limits import FlickrLimits
from rawlabel_photo_site.flickr.pages import photo_page, results_page
from rawlabel_photo_site.pictures.drawings import unavailable_png
from rawlabel_photo_site.web.image_host import UNAVAILABLE_PATH, ImageHost
from rawlabel_photo_site.web.other_dialects import OtherDialects
from rawlabel_photo_site.web.routes import IMAGE_LOG, REQUESTS, ImageRequest, Route, application_of
from rawlabel_photo_site.world.site import PhotoSite

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'"
}
_ENTRANCES = (
    ("Flickr", "/services/rest/"),
    ("Wikimedia Commons", "/w/api.php"),
    ("Openverse", "/v1/images/"),
    ("iNaturalist", "/v1/observations"),
)
_SHUTDOWN_SECONDS = 2.0
_START_SECONDS = 30.0


class Servable(Protocol):
    """Something that brings its own web application, with the counter `REQUESTS`."""

    def application(self) -> web.Application:
        """The application."""


def make_application(site: PhotoSite) -> web.Application:
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


def flickr_response(request: web.Request, reply: str) -> web.Response:
    """The reply of the Flickr API, in a callback unless the client asks for plain JSON."""
    if request.query.get("format") == "json" and request.query.get("nojsoncallback") != "1":
        return web.Response(text=f"jsonFlickrApi({reply})", content_type="text/javascript")
    return web.Response(text=reply, content_type="application/json")


@dataclass(slots=True)
class RunningSite:
    """A site that is being served."""

    base_url: str = ""
    """Address without a slash at the end, such as http://127.0.0.1:43121."""
    requests: Counter[str] = field(default_factory=Counter)
    """Requests so far by kind of path: `api` (Flickr's), `commons`, `openverse`, `inaturalist`, `image`,
    `placeholder`, `page`, `truth`, `other`."""
    image_log: list[ImageRequest] = field(default_factory=list)
    """Time and status of each request for an image; the status is 0 until it is answered."""


@contextlib.asynccontextmanager
async def _listening(site: Servable, host: str, port: int) -> AsyncIterator[RunningSite]:
    application = site.application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise ConfigError(
                    f"--port {port} of {host} is in use or reserved; choose another, or 0 for a free one."
                ) from error
            raise ConfigError(f"--host {host} cannot be listened on; use 127.0.0.1.") from error
        taken = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        yield RunningSite(f"http://{shown}:{taken}", application[REQUESTS], application[IMAGE_LOG])
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def running(site: Servable, host: str = "127.0.0.1", port: int = 0) -> Iterator[RunningSite]:
    """Serve the site in a thread of its own until the block is left.

    Raises ConfigError when the address is not a loopback address or the port is in use.
    """
    check_loopback(host)
    started, state, failures = threading.Event(), RunningSite(), []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        try:
            async with _listening(site, host, port) as served:
                state.base_url, state.requests = served.base_url, served.requests
                state.image_log = served.image_log
                started.set()
                await stop.wait()
        except ConfigError as error:
            failures.append(error)
        finally:
            started.set()

    def run_loop() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run_loop, name="photo-site", daemon=True)
    thread.start()
    try:
        started.wait(_START_SECONDS)
        if failures:
            raise failures[0]
        yield state
    finally:
        # A loop that has failed to start is closed already.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def serve(config: PhotoSiteConfig, announce: Callable[[str], None]) -> None:
    """Build the site, write the files that the settings ask for, and serve until a signal comes.

    `announce` gets a line with the address once the site listens, and then one for each API. Returns after SIGINT
    or SIGTERM. Raises ConfigError for an address that is not a loopback address, a port in use, or settings that
    do not go together; DataError for folders without photos; DiskError when a file cannot be written.
    """
    check_loopback(config.host)
    site = PhotoSite.build(config)
    if config.truth is not None:
        site.write_truth(config.truth)
    if config.write_test_set is not None:
        site.write_test_set(config.write_test_set)

    async def main() -> None:
        stop = asyncio.Event()
        async with _listening(site, config.host, config.port) as served:
            with _stopped_by_signals(stop):
                announce(f"{len(site.photos)} photos of {len(site.classes)} classes at {served.base_url}/")
                for name, path in _ENTRANCES:
                    announce(f"  {name:<18}{served.base_url}{path}")
                await stop.wait()

    with contextlib.suppress(KeyboardInterrupt, Interrupted):
        asyncio.run(main())


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set `stop`, so that no request is cut off."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with loop_signals((signal.SIGINT, signal.SIGTERM), stop.set):
        yield


def check_loopback(host: str) -> None:
    """Raise ConfigError unless only this computer can reach the address."""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ConfigError(f"--host {host} is not a loopback address; use 127.0.0.1, ::1 or localhost.")
