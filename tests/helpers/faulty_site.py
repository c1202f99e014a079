"""A site on loopback that answers what a test says, and the settings to collect from it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from aiohttp import web
from hypothesis import strategies as st
from PIL import Image

from rawlabel.config import CollectConfig

Handler = Callable[[web.Request], web.StreamResponse]


@contextmanager
def served(handle: Handler, port: int = 0) -> Iterator[str]:
    """Serve `handle` for every path on a loopback port, by default a free one."""
    ready = threading.Event()
    state: dict[str, object] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        return handle(request)

    async def main() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        state["address"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
        state["loop"], state["stop"] = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await state["stop"].wait()  # type: ignore[attr-defined]
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(120)
    try:
        yield str(state["address"])
    finally:
        state["loop"].call_soon_threadsafe(state["stop"].set)  # type: ignore[attr-defined]
        thread.join()


def settings_for(address: str, folder: Path, **changes: object) -> CollectConfig:
    values = {"classes": folder / "classes.txt", "project": folder, "base_url": (address,), "source": ("flickr",)}
    return CollectConfig(**(values | {"allow_loopback": True} | changes))  # type: ignore[arg-type]


def encoded(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


def search_reply(photos: object, total: object = 1) -> web.Response:
    return web.json_response({"stat": "ok", "photos": {"page": 1, "total": total, "photo": photos}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
