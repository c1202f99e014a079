"""How much a server takes from one client, and from all of them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CLIENTS = 10_000
"""Addresses that are remembered; the one that asked longest ago is forgotten first."""


class RateLimit:
    """So many requests a minute of each client, in bursts of up to as many (a token bucket)."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, client: str) -> float:
        """Take one request of `client`; 0 where it may go on, else the seconds until it may ask again."""
        now = self._clock()
        left, since = self._tokens.pop(client, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - since) * self._per_minute / 60)
        is_free = left >= 1
        self._tokens[client] = (left - 1 if is_free else left), now
        while len(self._tokens) > _MOST_CLIENTS:
            self._tokens.popitem(last=False)
        return 0.0 if is_free else (1 - left) * 60 / self._per_minute
