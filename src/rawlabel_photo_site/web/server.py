"""Serve the site on loopback: as a command that waits for a signal, or in a thread beside a test or a demo."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from aiohttp import web

from rawlabel.base.signals import loop_signals
from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import ConfigError, Interrupted
from rawlabel_photo_site.bulk.bulk import BulkSite
from rawlabel_photo_site.web.applications import make_application
from rawlabel_photo_site.web.routes import IMAGE_LOG, REQUESTS, ImageRequest
from rawlabel_photo_site.world.site import PhotoSite

ENTRANCES = (
    ("Flickr", "/services/rest/"),
    ("Wikimedia Commons", "/w/api.php"),
    ("Openverse", "/v1/images/"),
    ("iNaturalist", "/v1/observations"),
)
"""What the site stands in for, and where its searches are."""
_SHUTDOWN_SECONDS = 2.0


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
async def _listening(site: PhotoSite | BulkSite, host: str, port: int) -> AsyncIterator[RunningSite]:
    application = make_application(site)
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
def running(site: PhotoSite | BulkSite, host: str = "127.0.0.1", port: int = 0) -> Iterator[RunningSite]:
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
        while thread.is_alive() and not started.wait(1):
            pass
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
                for name, path in ENTRANCES:
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
