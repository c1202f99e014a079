"""The one HTTP client: safe addresses, an honest user agent, limits of time and size, retries, limits per host."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from rawlabel.base import messages
from rawlabel.base.image_files import sniff_media_type
from rawlabel.base.version import __version__
from rawlabel.config import CollectConfig
from rawlabel.gather.collect.http.addresses import (
    PublicResolver,
    RefusedAddress,
    checked_url,
    followed_url,
    guarded_socket,
)
from rawlabel.gather.collect.http.answers import Exchange, Hop, left_for_later, refused, silent
from rawlabel.gather.collect.http.headers import (
    AGENT_NAME,
    TooLarge,
    header_text,
    looks_like_html,
    opt_out_directive,
    stated_size,
    unpacked,
    whole_size,
)
from rawlabel.gather.collect.http.host_limits import HostLimits, RequestLimits
from rawlabel.gather.collect.http.host_state import Answer, HostAway, HostPaused
from rawlabel.records import Reason

MAX_REDIRECTS = 5
FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.5, 30.0
SPEED_GRACE = 5.0
"""The speed of a download is judged only after so many seconds."""
MOST_BYTES_HELD = 256_000_000
"""Received photos may take so much memory before no further request starts."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_ALIVE = 10.0


@dataclass(frozen=True, slots=True)
class Response:
    """What a request came to after its retries: a body, or the reason why there is none."""

    body: bytes
    final_url: str
    """Address after redirects, without its query; empty when the address itself was refused."""
    http_status: int | None
    failure: Reason | None = None
    detail: str = ""
    """The fault in words, for a message; never holds a query string, which may hold a key."""
    etag: str | None = None
    last_modified: str | None = None
    content_type: str | None = None
    stated_size: tuple[int, int] | None = None
    """Width and height [pixels] that the host states in a header, where it does."""
    redirects: tuple[str, ...] = ()
    """The addresses that led on to others, without their queries."""
    attempts: int = 0
    """Requests made, not counting redirects."""
    exchange: Exchange | None = field(default=None, compare=False)
    """When the last of them was made and answered; None where none was."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a caller asked for."""

    url: URL
    headers: Mapping[str, str]
    form: Mapping[str, str] | None
    is_image: bool
    is_bound: bool
    """Whether the request carries what no other host may see (parameters, of which one may be a key; a form)."""


class HttpClient:
    """A session with the manners that photo sites ask for; use it as an async context manager.

    Whatever a server does ends as a `Response`; nothing is raised for it. No proxy, cookie or credential is taken
    from the environment.
    """

    def __init__(self, config: CollectConfig, limits: RequestLimits | None = None) -> None:
        self._config = config
        contact = f"; +{config.contact}" if config.contact else ""
        self._agent = f"{AGENT_NAME}/{__version__} (image dataset collector{contact})"
        self._limits = limits or HostLimits(config.per_host)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._most_bytes = int(config.max_megabytes * 1e6)
        self._bytes_held = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    def hear_waits(self, listener: Callable[[str, float], None]) -> None:
        """Tell `listener` which host makes requests wait, and for how long [seconds]."""
        if isinstance(self._limits, HostLimits):
            self._limits.listener = listener

    async def __aenter__(self) -> Self:
        allow_loopback = self._config.allow_loopback
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": self._agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._config.timeout, sock_read=self._config.timeout
            ),
            connector=aiohttp.TCPConnector(
                # How many connections there are is decided here, by `_slots` and the limits of each host.
                limit=0,
                # aiohttp's cache of names forgets none that is not asked for again; connections are kept anyway.
                use_dns_cache=False,
                resolver=PublicResolver(allow_loopback=allow_loopback),
                socket_factory=partial(guarded_socket, allow_loopback=allow_loopback),
                keepalive_timeout=_KEEP_ALIVE,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @contextmanager
    def holding(self, num_bytes: int) -> Iterator[None]:
        """Say for the block that so many received bytes are still in memory; above a limit, requests wait."""
        self._bytes_held += num_bytes
        if self._bytes_held > MOST_BYTES_HELD:
            self._has_room.clear()
        try:
            yield
        finally:
            self._bytes_held -= num_bytes
            if self._bytes_held <= MOST_BYTES_HELD:
                self._has_room.set()

    async def get(
        self,
        url: str,
        parameters: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        image: bool = False,
    ) -> Response:
        """Get `url`, or POST the form `data` to it; faults that may pass are tried again with growing pauses.

        Redirects are followed, each to a checked address; with `parameters` or `data` only within the same host.
        `headers` are left out once the host changes. With `image`, a host's wish that the image is not used for
        machine learning is heeded, and a web page in its place is a fault.
        """
        try:
            target = checked_url(url, allow_loopback=self._config.allow_loopback)
            if parameters:
                target = target.update_query(dict(parameters))
        except RefusedAddress as error:
            return Response(b"", "", None, Reason.REFUSED_ADDRESS, str(error))
        wish = _Wish(target, headers or {}, data, image, bool(parameters or data))
        attempt = 0
        while True:
            attempt += 1
            response, again_after = await self._follow(wish)
            if again_after is None or attempt >= self._config.attempts:
                return replace(response, attempts=attempt - 1 + response.attempts)
            back_off = min(FIRST_BACK_OFF * 2 ** (attempt - 1), LONGEST_BACK_OFF)
            await asyncio.sleep(max(back_off * random.uniform(0.8, 1.2), again_after))

    async def _follow(self, wish: _Wish) -> tuple[Response, float | None]:
        """One try with its redirects; the second value says after how long another may help, if it may."""
        url, headers = wish.url, wish.headers
        passed: list[URL] = []
        while True:
            hop = await self._ask(url, headers, wish)
            if hop.location is None:
                return _response(url, passed, hop), hop.again_after
            passed.append(url)
            try:
                url = self._redirected(url, hop.location, passed, wish)
            except _BadRedirect as error:
                hop = replace(hop, failure=error.reason, detail=str(error))
                return _response(passed[-1], passed[:-1], hop), None
            if not _is_same_site(wish.url, url):
                headers = {}

    def _redirected(self, url: URL, location: str, passed: list[URL], wish: _Wish) -> URL:
        """Where a redirect leads. Raises `_BadRedirect`."""
        try:
            following = followed_url(url, location, allow_loopback=self._config.allow_loopback)
        except RefusedAddress as error:
            raise _BadRedirect(Reason.REFUSED_ADDRESS, f"redirects to what {error}") from error
        except ValueError as error:
            raise _BadRedirect(Reason.REDIRECTS, "redirects to what is not a web address") from error
        if following in passed:
            raise _BadRedirect(Reason.REDIRECTS, "redirects in a circle")
        if len(passed) > MAX_REDIRECTS:
            raise _BadRedirect(Reason.REDIRECTS, f"redirects more than {MAX_REDIRECTS} times")
        if url.scheme == "https" and following.scheme == "http":
            raise _BadRedirect(Reason.REDIRECTS, "redirects from https to http")
        if wish.is_bound and not _is_same_site(wish.url, following):
            raise _BadRedirect(Reason.REDIRECTS, "redirects a request with a key or form to another host")
        return following

    async def _ask(self, url: URL, headers: Mapping[str, str], wish: _Wish) -> Hop:
        """One request, when the limits of its host allow it."""
        try:
            ticket = await self._limits.acquire(f"{url.raw_host}:{url.port}")
        except HostAway:
            detail = "gave no answer several times in a row"
            return Hop(failure=Reason.UNREACHABLE, detail=detail, is_sent=False)
        except HostPaused as pause:
            return left_for_later(pause)
        if ticket.number == 1:
            # Many hosts are asked only once; their connections would pile up.
            headers = {**headers, "Connection": "close"}
        hop = Hop()
        try:
            async with self._slots:
                await self._has_room.wait()
                asked_at = time.time()
                hop = await self._request(url, headers, wish)
                hop = replace(hop, exchange=Exchange(asked_at, time.time()))
        finally:
            self._limits.report(ticket, hop.answer, hop.retry_after)
        # Without the query, which may hold a key.
        messages.detail(f"{url.with_query(None)}: {hop.status or 'no answer'} {hop.detail or ''}".rstrip())
        return hop

    async def _request(self, url: URL, headers: Mapping[str, str], wish: _Wish) -> Hop:
        method = "GET" if wish.form is None else "POST"
        status: int | None = None
        try:
            async with (
                asyncio.timeout(self._config.deadline),
                self._session.request(
                    method, url, headers=headers, data=wish.form, allow_redirects=False
                ) as reply,
            ):
                status = reply.status
                return await self._read(reply, wish)
        except TimeoutError:
            if status is None:
                return silent(Reason.TIMEOUT, "does not answer in time")
            return Hop(status, Reason.TIMEOUT, "sends too slowly", Answer.GRANTED)
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, RefusedAddress):
                return Hop(failure=Reason.REFUSED_ADDRESS, detail=str(error.os_error))
            is_passing = error.os_error.errno == socket.EAI_AGAIN
            return replace(silent(Reason.UNREACHABLE, "has no address"), again_after=0.0 if is_passing else None)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, RefusedAddress):
                return Hop(failure=Reason.REFUSED_ADDRESS, detail=str(error.os_error))
            return silent(Reason.UNREACHABLE, f"cannot be reached ({_first_words(error)})")
        except aiohttp.InvalidURL:
            return Hop(failure=Reason.REFUSED_ADDRESS, detail="is not a web address")
        except aiohttp.ClientResponseError:
            return Hop(None, Reason.HTTP_ERROR, "does not speak HTTP", Answer.GRANTED, again_after=0.0)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if status is None:
                return silent(Reason.UNREACHABLE, f"cannot be reached ({_first_words(error)})")
            return Hop(status, Reason.HTTP_ERROR, "breaks off in the middle", Answer.GRANTED, again_after=0.0)

    async def _read(self, reply: aiohttp.ClientResponse, wish: _Wish) -> Hop:
        """Judge a reply by its status and headers, and read its body where one is wanted."""
        status, headers = reply.status, reply.headers
        if status in _REDIRECTS and "Location" in headers:
            return Hop(status, location=headers["Location"], answer=Answer.GRANTED)
        hop = Hop(status, answer=Answer.GRANTED, headers=headers)
        # 203 is a 200 that a proxy on the way has touched; a 206 may send all there is.
        whole = whole_size(headers) if status == 206 else None
        if status not in (200, 203) and whole is None:
            hop = refused(hop)
            if 400 <= status < 500 and not wish.is_image and "json" in headers.get("Content-Type", ""):
                # An API explains itself in the body.
                body, failure = await self._body(reply)
                hop = replace(hop, body=b"" if failure else body)
            return hop
        directive = None
        if wish.is_image:
            directive = opt_out_directive(headers.getall("X-Robots-Tag", []), headers.get("TDM-Reservation"))
        if directive is not None:
            return replace(hop, failure=Reason.OPT_OUT, detail=directive)
        body, failure = await self._body(reply)
        if failure is None and whole is not None and len(body) != whole:
            failure = Reason.HTTP_ERROR, "sends a part, which nothing asked for"
        if failure is not None:
            return replace(hop, failure=failure[0], detail=failure[1])
        is_page = reply.content_type in ("text/html", "application/xhtml+xml") or looks_like_html(body)
        if wish.is_image and is_page and sniff_media_type(body) == "application/octet-stream":
            return replace(
                hop, failure=Reason.SOFT_BLOCK, detail="sends a web page for an image", answer=Answer.STRAINED
            )
        return replace(hop, body=body)

    async def _body(self, reply: aiohttp.ClientResponse) -> tuple[bytes, tuple[Reason, str] | None]:
        """The body, or the reason for which reading was given up and its words."""
        too_large = (Reason.TOO_LARGE, "sends more bytes than allowed")
        if (reply.content_length or 0) > self._most_bytes:
            return b"", too_large
        clock = asyncio.get_running_loop().time
        started, chunks, size = clock(), [], 0
        async for chunk in reply.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            if size > self._most_bytes:
                return b"", too_large
            elapsed = clock() - started
            if elapsed > SPEED_GRACE and size < elapsed * self._config.min_speed * 1000:
                return b"", (Reason.TIMEOUT, "sends too slowly")
        try:
            encoding = reply.headers.get("Content-Encoding", "")
            return unpacked(b"".join(chunks), encoding, self._most_bytes), None
        except TooLarge:
            return b"", too_large
        except ValueError as error:
            return b"", (Reason.HTTP_ERROR, f"sends {error}")


class _BadRedirect(Exception):
    """A redirect that is not followed."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def _response(url: URL, passed: list[URL], hop: Hop) -> Response:
    headers = hop.headers
    return Response(
        hop.body,
        _without_query(url),
        hop.status,
        hop.failure,
        hop.detail,
        etag=header_text(headers.get("ETag")),
        last_modified=header_text(headers.get("Last-Modified")),
        content_type=header_text(headers.get("Content-Type")),
        stated_size=stated_size(headers),
        redirects=tuple(map(_without_query, passed)),
        attempts=int(bool(passed) or hop.is_sent),
        exchange=hop.exchange,
    )


def _is_same_site(one: URL, other: URL) -> bool:
    """Whether a redirect from one to the other stays where it was, but for a change from http to https."""
    is_upgrade = (one.scheme, one.port, other.scheme, other.port) == ("http", 80, "https", 443)
    return one.host == other.host and (is_upgrade or one.origin() == other.origin())


def _without_query(url: URL) -> str:
    return str(url.with_query(None))


def _first_words(error: Exception) -> str:
    """The system's own words where there are any, without addresses that may hold a key."""
    cause = error.__cause__ or error
    words = getattr(cause, "strerror", None)
    return str(words) if words else type(error).__name__
