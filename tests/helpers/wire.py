"""A server that sends exactly the bytes it is told to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
from PIL import Image

from rawlabel.config import CollectConfig

Answer = bytes | Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]
"""Bytes to send, or what writes them."""


@dataclass
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    at: float
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass
class Wire:
    """What answers on the address, by path; an answer in a list is for one request, its last for all others."""

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    address: str = ""

    def paths(self) -> list[str]:
        return [one.path for one in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.splitlines()[0].split(" ", 2)
                headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
                body = await reader.readexactly(int(headers.get("Content-Length", 0)))
                asked = Asked(method, target, headers, time.monotonic(), body)
                self.asked.append(asked)
                answer = self.answers.get(asked.path, reply(404))
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                if isinstance(answer, bytes):
                    writer.write(answer)
                else:
                    await answer(asked, writer)
                await writer.drain()
                if b"\r\nConnection: close" in (answer if isinstance(answer, bytes) else b""):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()


def reply(status: int = 200, body: bytes = b"", *, length: int | None = None, **headers: str) -> bytes:
    """An HTTP reply; `length` is a Content-Length that may be wrong. Underscores in header names mean hyphens."""
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def redirect(location: str, status: int = 302) -> bytes:
    return reply(status, Location=location)


NOBODY = "http://127.0.0.1:1"
"""Where no server is: a port that was free a moment ago may be another test's by now."""


@asynccontextmanager
async def wired(**answers: Answer | list[Answer]) -> AsyncIterator[Wire]:
    """Serve on loopback; a path is the name of its argument."""
    wire = Wire({f"/{path}": answer for path, answer in answers.items()})
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()


def settings(**changes: object) -> CollectConfig:
    """Two attempts, and open to this machine's loopback; the time limits, a user's, are kept on a busy machine."""
    values: dict[str, object] = {"allow_loopback": True, "attempts": 2}
    return CollectConfig(**(values | changes))  # type: ignore[arg-type]


def jpeg(seed: int = 0, side: int = 64, form: str = "JPEG") -> bytes:
    """A small photo-like picture."""
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(small).resize((side * 3 // 2, side), Image.Resampling.BICUBIC).save(stream, form)
    return stream.getvalue()
