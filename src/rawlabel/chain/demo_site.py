"""The simulated photo site that runs beside a demo, in a process of its own that loads no torch."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from rawlabel.base.files import read_json, write_json
from rawlabel.base.spawning import spawn_context
from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import RawlabelError, SourceError

Serve = Callable[[PhotoSiteConfig, Callable[[str], None]], None]
"""Serves a simulated photo site until told to stop, and says where on its first line; another process must be able
to import it. It is handed in from above: nothing below the command line knows the simulator."""
_ENDING_SECONDS = 30.0
"""How long the site of a demo that was killed may take to end."""


@contextmanager
def photo_site(serve: Serve, config: PhotoSiteConfig, place: Path) -> Iterator[str]:
    """Serve the photos from a process of its own; yields the site's address.

    The catalogue holds the photos' addresses, so a demo that goes on needs its site where it was, which the file
    `place` remembers. Raises `SourceError` for a site that does not start.
    """
    ports: tuple[int, ...] = (config.port, 0)  # any free one, where something else has the usual one
    if place.exists():
        ports = (read_json(place, "the port of the demo's site")["port"],)
        if not _is_free_in_time(config.host, *ports):
            raise SourceError(
                f"{place}: the photos of this demo are at port {ports[0]}, which something else has; end that, or "
                "begin anew in another folder (--out)"
            )
    site = _start(serve, config, ports)
    try:
        write_json(place, {"port": urlsplit(site.address).port})
        yield site.address
    finally:
        site.process.terminate()
        site.process.join()


class _Site(NamedTuple):
    """One that has started."""

    process: SpawnProcess
    address: str
    heard: Connection
    """What it says goes on coming here; were this closed, its next line would end it."""


def _start(serve: Serve, config: PhotoSiteConfig, ports: Sequence[int]) -> _Site:
    """Start the site at the first of `ports` that it can have."""
    spawn, announced = spawn_context(), ""
    for port in ports:
        here, there = spawn.Pipe(duplex=False)
        settings = config.model_copy(update={"port": port})
        process = spawn.Process(target=_serve, args=(serve, settings, there), daemon=True)
        process.start()
        there.close()
        address = None
        try:
            announced = here.recv()
            address = next((word for word in announced.split() if word.startswith("http://")), None)
            if address is not None:
                return _Site(process, address, here)
        except EOFError as error:
            raise SourceError("the simulated photo site did not start; try `rawlabel photo-site`") from error
        finally:
            if address is None:
                process.terminate()
                process.join()
    raise SourceError(announced)


def _is_free_in_time(host: str, port: int) -> bool:
    """Wait for the site of a demo that was killed to end; False where something is at the port still."""
    deadline = time.monotonic() + _ENDING_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as asked:
            if asked.connect_ex((host, port)) != 0:
                return True
        time.sleep(0.05)
    return False


def _serve(serve: Serve, config: PhotoSiteConfig, announce: Connection) -> None:
    """Serve until told to stop or the demo is gone; sends the line that says where, or what is wrong."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(config, announce.send)
    except RawlabelError as error:
        announce.send(str(error))


def _end_with_parent() -> None:
    """A demo that is killed cannot stop its site, and a site left behind would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
