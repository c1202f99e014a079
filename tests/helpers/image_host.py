"""An image host on loopback: a picture for each number, slowly or under a limit if asked to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from rawlabel.records import Photo
from tests.helpers.wire import jpeg


@dataclass
class ImageHost:
    """Serves `/<number>.jpg` and remembers what it was asked."""

    seconds: float = 0.0
    """Time that each reply takes."""
    per_second: int | None = None
    """Requests a second above which it answers 429. What was not asked for may follow at once, up to half a
    second's worth, as with a burst of nginx's limit_req: a busy machine delivers late what was sent in time."""
    address: str = ""
    odd: dict[str, Callable[[], web.Response]] = field(default_factory=dict)
    """Other answers than a picture, by path."""
    refuses_after: int | None = None
    """Answers 403 to everything after so many pictures, as hosts do that have had enough of somebody."""
    times: list[tuple[float, int]] = field(default_factory=list)
    """Time and status of each request."""
    asked: Counter[str] = field(default_factory=Counter)
    _left: float = 0

    def photos(self, count: int, first: int = 0) -> list[Photo]:
        return [Photo("flickr", str(i), f"{self.address}/{i}.jpg") for i in range(first, first + count)]

    async def answer(self, request: web.Request) -> web.Response:
        now = time.monotonic()
        status = 200 if self.per_second is None or self._grants(now, self.per_second) else 429
        self.times.append((now, status))
        self.asked[request.path] += 1
        await asyncio.sleep(self.seconds)
        if request.path in self.odd:
            return self.odd[request.path]()
        if self.refuses_after is not None and sum(one == 200 for _, one in self.times) > self.refuses_after:
            return web.Response(status=403)
        if status == 429:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response(body=jpeg(int(request.path[1:-4])), content_type="image/jpeg")

    def _grants(self, now: float, per_second: int) -> bool:
        """Whether a bucket that fills at that rate, and holds half a second's worth, has one left."""
        since = now - self.times[-1][0] if self.times else 1.0
        self._left = max(min(per_second / 2, self._left + per_second * since) - 1, -1.0)
        return self._left >= 0


@contextmanager
def image_host(seconds: float = 0.0, per_second: int | None = None) -> Iterator[ImageHost]:
    """Serve in a thread until the block is left."""
    host, ready = ImageHost(seconds, per_second), threading.Event()
    end: list[Callable[[], object]] = []

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        end.append(lambda: loop.call_soon_threadsafe(stop.set))
        application = web.Application()
        application.router.add_get("/{name}", host.answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    # It ends what a client has begun at the last moment, whose socket would be missed by a later test otherwise.
    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(120)
    try:
        yield host
    finally:
        end[0]()
        thread.join()
