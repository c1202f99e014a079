"""The limits of all hosts: who waits for which host, and in which order.

`host_state` decides when a request may start. `HostLimits` keeps the states of all hosts and does the waiting;
`RequestLimits` is what the HTTP client needs of it, so that another keeper (for a cluster, say) fits.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rawlabel.gather.collect.http.host_rules import KNOWN_HOSTS, HostRule
from rawlabel.gather.collect.http.host_state import Answer, HostAway, HostPaused, HostState, Ticket

_MOST_IDLE_STATES = 20_000
TOLD_WAIT = 2.0
"""Waits from this on are told [seconds]; shorter ones are how a host's rate is kept."""


class RequestLimits(Protocol):
    """What the HTTP client asks before and tells after each request."""

    async def acquire(self, host: str) -> Ticket:
        """Wait until a request to `host` may start. Raises `HostAway` and `HostPaused`."""
        ...

    def report(self, ticket: Ticket, answer: Answer | None, retry_after: float | None = None) -> None:
        """Say what came of the request; None when it was cancelled."""
        ...


@dataclass(slots=True)
class _Host:
    state: HostState
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class HostLimits:
    """The limits of all hosts for one process."""

    def __init__(
        self,
        per_host: int,
        rules: Mapping[str, HostRule] = KNOWN_HOSTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._default = HostRule(per_host)
        self._rules = rules
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._forget_at = _MOST_IDLE_STATES
        self.listener: Callable[[str, float], None] | None = None
        """Hears which host makes requests wait, and for how long [seconds]."""

    async def acquire(self, host: str) -> Ticket:
        """Wait until a request to `host` (a name with its port) may start; first come, first served.

        Raises `HostAway` and `HostPaused`.
        """
        entry = self._entry(host)
        # Only the first in the queue looks at the clock; all others wait for the lock, which is fair.
        async with entry.turn:
            while (start := entry.state.next_start(now := self._clock())) > now:
                entry.changed.clear()
                if self.listener is not None and TOLD_WAIT <= start - now < math.inf:
                    self.listener(host, start - now)
                try:
                    async with asyncio.timeout(None if start == math.inf else start - now):
                        await entry.changed.wait()
                except TimeoutError:
                    continue
            return Ticket(host, entry.state.start(now))

    def try_acquire(self, host: str) -> Ticket | None:
        """A ticket if a request may start without waiting, and nobody waits already; None if not."""
        entry, now = self._entry(host), self._clock()
        try:
            is_free = not entry.turn.locked() and entry.state.next_start(now) <= now
        except (HostAway, HostPaused):
            return None
        return Ticket(host, entry.state.start(now)) if is_free else None

    def report(self, ticket: Ticket, answer: Answer | None, retry_after: float | None = None) -> None:
        """Say what came of the request; None when it was cancelled."""
        entry = self._entry(ticket.host)
        if answer is None:
            entry.state.abandon()
        else:
            entry.state.end(ticket.number, answer, retry_after, now := self._clock())
            if answer in (Answer.THROTTLED, Answer.STRAINED) and self.listener is not None:
                pause = entry.state.paused_until - now
                if pause >= TOLD_WAIT:
                    self.listener(ticket.host, pause)
        entry.changed.set()

    def state(self, host: str) -> HostState:
        """What is known of a host, for tests and reports."""
        return self._entry(host).state

    def _entry(self, host: str) -> _Host:
        known = next((suffix for suffix in self._suffixes(host) if suffix in self._rules), None)
        # Hosts under one rule are one operator's, who counts them together.
        key = known or host
        entry = self._hosts.get(key)
        if entry is None:
            if len(self._hosts) >= self._forget_at:
                self._forget_idle()
            rule = self._rules[known] if known else self._default
            entry = self._hosts[key] = _Host(HostState(rule))
        return entry

    def _forget_idle(self) -> None:
        now = self._clock()
        self._hosts = {
            key: entry for key, entry in self._hosts.items() if entry.turn.locked() or not entry.state.is_idle(now)
        }
        self._forget_at = max(_MOST_IDLE_STATES, 2 * len(self._hosts))

    @staticmethod
    def _suffixes(host: str) -> list[str]:
        parts = host.rpartition(":")[0].split(".") if ":" in host else host.split(".")
        return [".".join(parts[i:]) for i in range(len(parts) - 1)]
