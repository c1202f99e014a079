"""The HTTP server: a page, an endpoint, health and metrics, made for requests of strangers.

A photo's bytes are counted as they come, in time that is limited, and its pixels are read from its header before
it is decoded, which is done elsewhere (`Answerer.decode`) and may fail without harm. Names that clients give to
files or parts are never used. A client is told one sentence, never a traceback.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler
from pydantic_core import to_json

from rawlabel.config import ServeConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.show.serve import openapi
from rawlabel.show.serve.answers import Answerer, Fault, NotAPhoto
from rawlabel.show.serve.limits import Proxies, RateLimit
from rawlabel.show.serve.metrics import Metrics

_STATIC = Path(__file__).parent / "static"
_MOST_PARTS, _LONGEST_IDLE, _MOST_CONNECTIONS = 4, 15.0, 512
_CHUNK = 1 << 16
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Server": "rawlabel",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOG = logging.getLogger("rawlabel.serve")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Refused(Exception):
    """A request that is answered with a status and one sentence."""

    def __init__(self, status: int, reason: str, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status, self.reason, self.headers = status, reason, headers


@dataclass
class _Connection:
    """One connection: whether a request is at work, and since when none was."""

    idle_since: float
    busy: int = 0


@dataclass(eq=False)
class Service:
    """A model behind routes."""

    config: ServeConfig
    answerer: Answerer
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self._rate = RateLimit(self.config.rate)
        self._proxies = Proxies(self.config.proxy)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="serve")
        self._at_work: Counter[str] = Counter()
        self._connections: dict[RequestHandler, _Connection] = {}

    def application(self) -> web.Application:
        """The routes, with what surrounds each of them."""
        most = int(self.config.max_megabytes * 1e6)
        app = web.Application(middlewares=[self._around], client_max_size=most + _CHUNK)
        app.router.add_get("/", self._page)
        app.router.add_get("/page.js", self._page)
        app.router.add_get("/page.css", self._page)
        app.router.add_get("/favicon.ico", self._nothing)
        app.router.add_get("/model.json", self._model)
        app.router.add_get("/openapi.json", self._openapi)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get(r"/training-photos/{number:\d{1,9}}", self._photo)
        app.router.add_post("/v1/predict", self._predict)
        return app

    def close(self) -> None:
        """End the threads; photos that wait are not classified any more."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "other"
        connection = self._connections.setdefault(request.protocol, _Connection(time.monotonic()))
        connection.busy += 1
        try:
            self._refuse_foreign(request)
            response = await handler(request)
        except _Refused as refusal:
            self.metrics.refuse(refusal.reason)
            response = _json(Fault(error=str(refusal)), refusal.status)
            response.headers.update(refusal.headers)
            # What a refused client still sends is not read.
            response.force_close()
        except web.HTTPException as error:
            response = _json(Fault(error=error.reason.lower()), error.status)
        finally:
            connection.busy -= 1
            connection.idle_since = time.monotonic()
        response.headers.update(_HEADERS)
        self.metrics.request(route, response.status)
        return response

    def _refuse_foreign(self, request: web.Request) -> None:
        """Refuse what a page of somebody else has a browser ask: by another name of this machine, or as itself."""
        name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
        is_proxied = (request.remote or "") in self._proxies
        if _is_loopback(self.config.host) and not _is_loopback(name) and not is_proxied:
            raise _Refused(403, "host", "this address is not the server's own; open the one that it printed")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
            raise _Refused(403, "origin", "a page of another origin may not ask here")

    async def watch_connections(self, runner: web.AppRunner) -> None:
        """Close connections on which no whole request came for some time, and all above a number, until
        cancelled."""
        while True:
            await asyncio.sleep(1)
            now, server = time.monotonic(), runner.server
            current = [] if server is None else list(server.connections)
            self._connections = {one: self._connections.get(one, _Connection(now)) for one in current}
            idle = sorted(
                (known.idle_since, number)
                for number, known in enumerate(self._connections.values())
                if not known.busy
            )
            too_many = max(0, len(current) - _MOST_CONNECTIONS)
            for place, (since, number) in enumerate(idle):
                if now - since > _LONGEST_IDLE or place < too_many:
                    _close(current[number])

    async def _page(self, request: web.Request) -> web.StreamResponse:
        names = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript")}
        name, kind = names.get(request.path, ("page.css", "text/css"))
        text = (_STATIC / name).read_text("utf-8")
        return web.Response(text=text, content_type=kind, headers={"Cache-Control": "no-cache"})

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    async def _model(self, request: web.Request) -> web.StreamResponse:
        return _json(self.answerer.model)

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return _json(openapi.describe(self.config))

    async def _health(self, request: web.Request) -> web.StreamResponse:
        model = self.answerer.model
        return _json({"status": "ok", "run": model.run, "epoch": model.epoch, "classes": len(model.classes)})

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        return web.Response(
            text=self.metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _photo(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self.answerer.thumbnail, number)
        if found is None:
            raise web.HTTPNotFound
        return web.Response(body=found, content_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    async def _predict(self, request: web.Request) -> web.StreamResponse:
        top = _whole(request, "top", self.config.top, 1, 1000)
        nearest = _whole(request, "nearest", self.config.nearest, 0, 50)
        client = self._proxies.client(request.remote or "", request.headers.getall("X-Forwarded-For", ()))
        if wait := self._rate.wait_seconds(client):
            seconds = str(int(wait) + 1)
            raise _Refused(
                429,
                "rate",
                f"too many photos a minute; ask again in {seconds} seconds",
                **{"Retry-After": seconds},
            )
        # Half of the places at most, so that one client's slow photos are no reason to send others away.
        is_greedy = self._at_work[client] >= max(1, self.config.waiting // 2)
        if is_greedy or self.metrics.waiting >= self.config.waiting:
            raise _Refused(503, "busy", "too many photos are waiting; ask again", **{"Retry-After": "1"})
        self.metrics.waiting += 1
        self._at_work[client] += 1
        try:
            photo = await self._read(request)
            started = time.monotonic()
            try:
                pixels = await self.answerer.decode(photo)
            except NotAPhoto as error:
                raise _Refused(415, "not a photo", str(error)) from error
            except DataError as error:
                _LOG.error("%s", error)
                raise _Refused(503, "decoding", "photos cannot be decoded now; ask again") from error
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, self.answerer.answer, pixels, top, nearest)
            self.metrics.answer(time.monotonic() - started)
            return _json(answer)
        finally:
            self.metrics.waiting -= 1
            self._at_work -= Counter({client: 1})

    async def _read(self, request: web.Request) -> bytes:
        """The photo's bytes, of no more than the limit, in no more than the time."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _Refused(415, "encoding", "the body is compressed; send the bytes of the image file")
        self._refuse_large(request.content_length or 0)
        try:
            async with asyncio.timeout(self.config.timeout):
                if request.content_type.startswith("multipart/"):
                    return await self._read_form(request)
                return await self._read_all(request.content.readany)
        except TimeoutError as error:
            raise _Refused(
                408, "slow", f"the photo did not arrive within {self.config.timeout:g} seconds"
            ) from error
        except (ValueError, AssertionError, web.RequestPayloadError, HttpProcessingError) as error:
            raise _Refused(400, "malformed", "the body is malformed; send the bytes of one image file") from error

    async def _read_form(self, request: web.Request) -> bytes:
        if request.content_type != "multipart/form-data":
            raise _Refused(
                415, "encoding", "the body is no form; send it as multipart/form-data, or the bytes alone"
            )
        reader = await request.multipart()
        for _ in range(_MOST_PARTS):
            part = await reader.next()
            if part is None:
                break
            if isinstance(part, BodyPartReader) and part.name == "photo":
                return await self._read_all(part.read_chunk)
            if isinstance(part, BodyPartReader):
                await self._read_all(part.read_chunk, may_be_empty=True)
        raise _Refused(400, "malformed", "the form has no field `photo` among its first four parts")

    async def _read_all(self, read: Callable[[], Awaitable[bytes]], *, may_be_empty: bool = False) -> bytes:
        found = bytearray()
        while piece := await read():
            found += piece
            self._refuse_large(len(found))
        if not found and not may_be_empty:
            raise _Refused(400, "malformed", "the body is empty; send the bytes of an image file")
        return bytes(found)

    def _refuse_large(self, size: int) -> None:
        if size > self.config.max_megabytes * 1e6:
            raise _Refused(413, "large", f"the photo is larger than {self.config.max_megabytes:g} MB; shrink it")


def _close(connection: RequestHandler) -> None:
    connection.force_close()
    if (transport := connection.transport) is not None:
        transport.close()


def _whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and least <= int(text) <= most):
        raise _Refused(400, "malformed", f"{name} is no whole number from {least} to {most}")
    return int(text)


def _is_loopback(name: str) -> bool:
    if name.lower().rstrip(".") == "localhost":
        return True
    with suppress(ValueError):
        return ip_address(name).is_loopback
    return False


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=to_json(value), status=status, content_type="application/json")


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether the operator shall read of it: what strangers send malformed is answered, and no news."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, (HttpProcessingError, ConnectionError))


async def serve(service: Service, announce: Callable[[str], None]) -> None:
    """Serve until cancelled; `announce` gets the address once requests are answered.

    Raises `ConfigError` where the address cannot be listened on.
    """
    config = service.config
    runner = web.AppRunner(
        service.application(), access_log=None, keepalive_timeout=_LONGEST_IDLE, lingering_time=1.0,
        auto_decompress=False, shutdown_timeout=2.0, logger=_LOG,
    )  # fmt: skip
    _LOG.addFilter(_is_our_fault)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"--host {config.host} --port {config.port}: cannot be listened on ({error}); choose another port"
            ) from error
        host, port = runner.addresses[0][:2]
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        await service.watch_connections(runner)
    finally:
        await runner.cleanup()
        service.close()
