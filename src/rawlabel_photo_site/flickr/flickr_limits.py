"""Flickr's reaction to too many API calls: it slows down, and then sends web pages with status 429.

The documentation names 3,600 calls an hour and key as what is fine. How fast the real site slows down, and that it
names no time to come back, is this model's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from rawlabel_photo_site.flickr.flickr_protocol import chance
from rawlabel_photo_site.web.throttle import Throttle
from rawlabel_photo_site.world.site import PhotoSite

_HOUR = 3600.0
_SLOW_SECONDS = 0.5
_PATIENCE = 1.1
_PAGE = "<!DOCTYPE html><html><head><title>Too Many Requests</title></head><body><p>Slow down.</p></body></html>"


class FlickrLimits:
    """Counts the calls of each key."""

    def __init__(self, site: PhotoSite) -> None:
        self._seed, self._rules = site.config.seed, site.rules
        self._failed: set[str] = set()
        budget = site.rules.flickr_per_hour
        self._budget = budget
        self._throttle = None if budget is None else Throttle(int(budget * _PATIENCE), _HOUR / site.rules.speed)

    async def refusal(self, parameters: Mapping[str, str]) -> web.Response | None:
        """The answer to a call that comes too soon; None for others, after a while if they are many."""
        if self._throttle is not None and self._budget is not None:
            key = parameters.get("api_key", "")
            if self._throttle.wait(key) > 0:
                return _too_many()
            self._throttle.admit(key)
            if self._throttle.used(key) > self._budget:
                await asyncio.sleep(_SLOW_SECONDS)
        query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        if chance(self._seed, "throttled", query) < self._rules.flickr_throttled and query not in self._failed:
            self._failed.add(query)
            return _too_many()
        return None


def _too_many() -> web.Response:
    return web.Response(status=429, text=_PAGE, content_type="text/html")
