"""The one HTTP client: an honest user agent, time and size limits, retries, and a pause per host on 429."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from rawlabel import __version__
from rawlabel.config import CollectConfig
from rawlabel.records import Reason

MAX_REDIRECTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """What a request came to after its retries: a body, or the reason why there is none."""

    body: bytes
    final_url: str
    http_status: int | None
    failure: Reason | None = None
    detail: str = ""
    """The fault in words, for a message; never holds a query string, which may hold a key."""


class HttpClient:
    """A session with the manners that photo sites ask for; use it as an async context manager."""

    def __init__(self, config: CollectConfig) -> None:
        self._config = config
        contact = f"; +{config.contact}" if config.contact else ""
        self._agent = f"rawlabel/{__version__} (image dataset collector{contact})"
        self._resume_at: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": self._agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=self._config.timeout),
            connector=aiohttp.TCPConnector(limit=self._config.concurrency),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(
        self, url: str, parameters: dict[str, str] | None = None, *, headers: Any = None, data: Any = None
    ) -> Response:
        """Get `url`; passing faults (no connection, 429, 5xx) are tried again with growing pauses."""
        if urlsplit(url).scheme not in ("http", "https"):
            return Response(b"", url, None, Reason.HTTP_ERROR, "is not an http or https address")
        response = Response(b"", url, None, Reason.HTTP_ERROR)
        for attempt in range(self._config.attempts):
            response, wait = await self._try(url, parameters, headers, data)
            if wait is None:
                return response
            pause = max(wait, FIRST_PAUSE * 2**attempt * random.uniform(0.8, 1.2))
            self._pause_host(url, min(pause, LONGEST_PAUSE), whole_host=response.http_status == 429)
            if attempt + 1 < self._config.attempts:
                await asyncio.sleep(min(pause, LONGEST_PAUSE))
        return response

    async def _try(
        self, url: str, parameters: dict[str, str] | None, headers: Any = None, data: Any = None
    ) -> tuple[Response, float | None]:
        """One request; the second value is None when the answer is final, else the least pause [seconds]."""
        await self._wait_for_host(url)
        try:
            method = "GET" if data is None else "POST"
            async with self._session.request(
                method, url, params=parameters, max_redirects=MAX_REDIRECTS, headers=headers, data=data
            ) as reply:
                final_url = str(reply.url.with_query(None))
                if reply.status == 429 or reply.status >= 500:
                    failed = Response(
                        b"", final_url, reply.status, Reason.HTTP_ERROR, f"answers HTTP {reply.status}"
                    )
                    return failed, _retry_after(reply.headers.get("Retry-After"))
                if reply.status >= 400 and "json" in reply.content_type:
                    body = await self._read(reply)
                    return Response(body or b"", final_url, reply.status, Reason.HTTP_ERROR, "refuses"), None
                if reply.status in (404, 410):
                    return Response(b"", final_url, reply.status, Reason.HTTP_GONE, "is gone"), None
                if reply.status >= 400:
                    detail = f"refuses with HTTP {reply.status}"
                    return Response(b"", final_url, reply.status, Reason.HTTP_ERROR, detail), None
                body = await self._read(reply)
                failure = Reason.TOO_LARGE if body is None else None
                return Response(body or b"", final_url, reply.status, failure), None
        except TimeoutError:
            return Response(b"", url, None, Reason.TIMEOUT, "does not answer in time"), 0.0
        except aiohttp.TooManyRedirects:
            return Response(b"", url, None, Reason.HTTP_ERROR, "redirects in a circle"), None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            detail = f"cannot be reached ({_first_words(error)})"
            return Response(b"", url, None, Reason.HTTP_ERROR, detail), 0.0

    async def _read(self, reply: aiohttp.ClientResponse) -> bytes | None:
        """The body, or None when it is larger than allowed."""
        limit = int(self._config.max_megabytes * 1e6)
        body = bytearray()
        async for chunk in reply.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > limit:
                return None
        return bytes(body)

    async def _wait_for_host(self, url: str) -> None:
        pause = self._resume_at.get(urlsplit(url).netloc, 0.0) - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)

    def _pause_host(self, url: str, pause: float, *, whole_host: bool) -> None:
        """After a 429 every request to the host waits, not only the one that was refused."""
        if whole_host:
            host = urlsplit(url).netloc
            self._resume_at[host] = max(self._resume_at.get(host, 0.0), time.monotonic() + pause)


def _retry_after(header: str | None) -> float:
    """Seconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3); 0 when it asks for none."""
    if not header:
        return 0.0
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _first_words(error: Exception) -> str:
    """The system's own words where there are any, without addresses that may hold a key."""
    cause = error.__cause__ or error
    words = getattr(cause, "strerror", None)
    return str(words) if words else type(error).__name__
