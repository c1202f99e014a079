"""Who a client is, and how much a server takes from one of them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from typing import NoReturn

from rawlabel.errors import ConfigError

_MOST_CLIENTS = 10_000
"""Addresses that are remembered; the one that asked longest ago is forgotten first."""


class Proxies:
    """The proxies before a server, which say whom they ask for; what anybody else says of that is not believed."""

    def __init__(self, addresses: Iterable[str]) -> None:
        """Raises `ConfigError` for what is no address."""
        self._addresses = {_address(one) or _refuse(one) for one in addresses}

    def __contains__(self, peer: str) -> bool:
        return _address(peer) in self._addresses

    def client(self, peer: str, forwarded: Iterable[str]) -> str:
        """Who asks: `peer`, or, where that is a proxy, the last one in its X-Forwarded-For headers that is none.

        Each proxy appends who asked it, so what stands before that one was sent by the client, who may lie.
        """
        names = [one.strip() for header in forwarded for one in header.split(",")]
        for name in reversed(names):
            if peer not in self or (found := _address(name)) is None:
                break
            peer = found
        return peer


def _address(text: str) -> str | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return str((isinstance(found, IPv6Address) and found.ipv4_mapped) or found)


def _refuse(text: str) -> NoReturn:
    raise ConfigError(
        f"--proxy {text}: is no IP address; name the one that the proxy asks from, such as 127.0.0.1"
    )


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
