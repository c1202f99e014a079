"""An image host that keeps each node of a cluster busy until one of them has died in the middle of its work."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import psutil
import pytest
from aiohttp import web

from rawlabel_photo_site.web.image_host import ImageHost


class HeldRequests:
    """Holds the first request for an image of the given node, and the first of all others, until `release`."""

    def __init__(self, node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """For sites that are served from now on."""
        self._node, self._held, self._is_over = node, set[bool](), threading.Event()
        answer = ImageHost.image

        async def answer_late(host: ImageHost, request: web.Request) -> web.StreamResponse:
            if not self.have_all() and (is_its := self._is_its(request)) not in self._held:
                self._held.add(is_its)
                while not self._is_over.is_set():
                    await asyncio.sleep(0.01)
            return await answer(host, request)

        monkeypatch.setattr(ImageHost, "image", answer_late)

    def have_all(self) -> bool:
        """Whether the node and another one are in the middle of a batch, of which they cannot make an end."""
        return len(self._held) == 2

    def release(self) -> None:
        self._is_over.set()

    def _is_its(self, request: web.Request) -> bool:
        assert request.transport is not None
        port = request.transport.get_extra_info("peername")[1]
        raylet = psutil.Process(self._node.all_processes["raylet"][0].process.pid)
        for process in raylet.children(recursive=True):
            with suppress(psutil.Error):
                if any(one.laddr.port == port for one in process.net_connections("tcp")):
                    return True
        return False


@pytest.fixture
def held(second_node: Any, monkeypatch: pytest.MonkeyPatch) -> HeldRequests:
    """Of the second node of a cluster; in a test's arguments it comes before the site."""
    return HeldRequests(second_node, monkeypatch)
