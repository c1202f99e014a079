"""When the next request to a host may start: few connections, an adapting rate, pauses, and a circuit breaker.

`HostState` takes all decisions for one host and knows neither sockets nor event loops: it is told the time and
what came of each request, and says when the next may start. `HostLimits` keeps the states of all hosts and does
the waiting; `RequestLimits` is what the HTTP client needs of it, so that another keeper (for a cluster, say) fits.

A site that throttles is obeyed at once and remembered. On HTTP 429 the whole host pauses for as long as the site
asks. What it had granted until then, over the time that had passed by the end of the pause, is a rate that it can
stand, whether it counts by the second or by the minute; from then on requests are spread evenly at three quarters
of this rate, which rises again by only half a percent a minute.

Some hosts refuse single addresses whatever the rate (Flickr's image host has been seen to). They are told apart by
trial: where the 429s stay as rare as they were though the rate was lowered several times, slowing is no use, and
the old rate is taken up again; such a host still gets each pause that it asks for.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from rawlabel.collect.host_rules import KNOWN_HOSTS, HostRule

FIRST_CONNECTIONS = 2
SAFETY = 0.75
"""Share of the rate that a host was seen to stand that is asked of it after a 429."""
GROWTH = 0.005 / 60
"""Rise of the rate after a 429, as a share of it a second."""
PROBING_GROWTH = 0.5
"""The same after the first 429 of a host, if it came too early to say much about the rate, or so late that it may
concern one address only: a second one soon says which."""
ENOUGH_GRANTED = 5
LONE_SHARE = 0.05
"""A lone 429 amid granted requests concerns its own address, if refusals are at most this share of the answers."""
TRIALS = 4
"""Slowing is no use when it was done so many times in a row and the 429s are as rare as before."""
RARE = 10
"""Requests granted for each 429, on the mean, of a host that refuses single addresses and does not count."""
HELPED = 8
"""Slowing has helped if so many times more requests are granted before the next 429 than before the last ones."""
LOWEST_RATE = 1 / 30
"""No host is asked more seldom than this [requests a second], whatever one refusal suggests."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Pause of a host that throttles or strains without saying for how long [seconds]; doubles each time."""
LONGEST_WAIT = 120.0
"""A host that asks for a longer pause than this [seconds] is left for a later run."""
SILENT_IN_A_ROW = 8
"""Requests without any answer after which a host counts as away."""
FIRST_COOL_DOWN, LONGEST_COOL_DOWN = 30.0, 480.0
_MOST_IDLE_STATES = 20_000
TOLD_WAIT = 2.0
"""Waits from this on are told [seconds]; shorter ones are how a host's rate is kept."""


class Answer(Enum):
    """What came of a request, as far as the host's limits are concerned."""

    GRANTED = auto()
    """The host answered, and not to slow down; a 404 is such an answer."""
    THROTTLED = auto()
    """HTTP 429: the host says that this is too fast."""
    STRAINED = auto()
    """HTTP 503, or a web page in place of an image: the host seems to have enough."""
    SILENT = auto()
    """No answer at all: no address, no connection, or nothing within the time limit."""


class HostPaused(Exception):
    """The host asks for a pause that is longer than a run waits."""


class HostAway(Exception):
    """The host gave no answer several times in a row and is left alone for a while."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that was allowed to start."""

    host: str
    number: int
    """Counts the requests to the host."""


@dataclass(slots=True)
class HostState:
    """What is known of one host. Times are seconds of one clock that the caller chooses."""

    rule: HostRule
    in_flight: int = 0
    answers: int = 0
    refusals: int = 0
    paused_until: float = 0.0
    _connections: float = FIRST_CONNECTIONS
    _is_slow_start: bool = True
    _number: int = 0
    _last_start: float = -math.inf
    _ended_at: float = -math.inf
    _is_waited_for: bool = False
    _rate: float | None = None
    _rate_since: float = 0.0
    _growth: float = GROWTH
    _counting_since: float | None = None
    _granted: int = 0
    _episode: _Episode | None = None
    _stretches: deque[int] = field(default_factory=lambda: deque(maxlen=TRIALS))
    """Requests granted before each of the last 429s, while slowing was tried."""
    _before: tuple[float | None, float, float, float] = (None, 0.0, GROWTH, FIRST_CONNECTIONS)
    """Rate, its time, its growth and the connections before slowing was tried."""
    _was_throttled: bool = False
    _refuses_addresses: bool = False
    _strains_in_a_row: int = 0
    _throttled_in_a_row: int = 0
    _silent_in_a_row: int = 0
    _away_until: float | None = None
    _cool_down: float = FIRST_COOL_DOWN
    _ignored_up_to: int = 0

    def rate(self, now: float) -> float | None:
        """Most requests a second at this time; None when nothing limits them."""
        if self._rate is None:
            return self.rule.per_second
        grown = self._rate * (1 + self._growth * max(0.0, now - self._rate_since))
        return min(grown, self.rule.per_second or math.inf)

    def next_start(self, now: float) -> float:
        """When the next request may start (now, if not later than `now`); infinity until a request in flight ends.

        Raises `HostAway` and `HostPaused`.
        """
        if self._away_until is not None and (now < self._away_until or self.in_flight):
            raise HostAway
        if self.paused_until - now > LONGEST_WAIT:
            raise HostPaused
        if self.in_flight >= min(self.rule.connections, int(self._connections)):
            return math.inf
        rate = self.rate(now)
        spaced = self._last_start + 1 / rate if rate else 0.0
        start = max(now, self.paused_until, spaced)
        self._is_waited_for = self._is_waited_for or start > now
        return start

    def start(self, now: float) -> int:
        """Count a request that starts now; returns its number."""
        self._judge_episode(now)
        if self._counting_since is None:
            self._counting_since = now
        elif not self.in_flight and not self._is_waited_for:
            # What the host stands is no less because nobody asked it for a while.
            self._counting_since += max(0.0, now - max(self.paused_until, self._ended_at))
        self._is_waited_for = False
        self._last_start = now
        self.in_flight += 1
        self._number += 1
        return self._number

    def end(self, number: int, answer: Answer, retry_after: float | None, now: float) -> None:
        """Count a request that ended; `retry_after` is the pause that the host asked for [seconds]."""
        self.in_flight -= 1
        self._ended_at = now
        if answer is Answer.SILENT:
            self._note_silence(number, now)
            return
        self._silent_in_a_row, self._away_until, self._cool_down = 0, None, FIRST_COOL_DOWN
        self.answers += 1
        if answer is Answer.GRANTED:
            self._note_granted(number)
        elif answer is Answer.THROTTLED:
            self._note_throttled(number, retry_after, now)
        else:
            self._note_strain(number, retry_after, now)

    def recall(self, rate: float, now: float) -> None:
        """Take up a rate that an earlier keeper of this host's limits had learned [requests a second]."""
        if self._rate is None or rate < self._rate:
            self._rate, self._rate_since = rate, now
            self._is_slow_start = False

    def abandon(self) -> None:
        """A request was cancelled before anything came of it."""
        self.in_flight -= 1

    def is_idle(self, now: float) -> bool:
        """Whether forgetting the host would change nothing worth knowing."""
        is_plain = self._rate is None and self._away_until is None and self._silent_in_a_row == 0
        return is_plain and self.in_flight == 0 and self.paused_until <= now

    def _note_granted(self, number: int) -> None:
        self._granted += 1
        self._strains_in_a_row = self._throttled_in_a_row = 0
        self._connections += 1 if self._is_slow_start else 1 / self._connections
        self._connections = min(self._connections, float(self.rule.connections))
        if self._episode is not None and number > self._episode.first_refused:
            self._episode.granted_later += 1

    def _note_throttled(self, number: int, retry_after: float | None, now: float) -> None:
        self.refusals += 1
        if number <= self._ignored_up_to:
            # It was under way when the host refused another: the same event, which slows us only once.
            if self._episode is not None:
                self._episode.refused += 1
            self._pause(retry_after or 0.0, now)
            return
        self._throttled_in_a_row += 1
        pause = retry_after or _backed_off(self._throttled_in_a_row)
        self._pause(pause, now)
        if self._is_about_one_address():
            self._granted, self._counting_since = 0, None
            return
        self._episode = _Episode(number, self._rate, self._rate_since, self._growth, self._connections)
        elapsed = max(self.paused_until - (self._counting_since or now), 1e-3)
        stood = max(self._granted, 1) / elapsed
        self._rate = max(SAFETY * min(stood, self.rate(now) or math.inf), LOWEST_RATE)
        self._rate_since = self.paused_until
        is_telling = self._was_throttled or ENOUGH_GRANTED <= self._granted < RARE
        self._growth = GROWTH if is_telling else PROBING_GROWTH
        self._was_throttled = True
        self._granted, self._counting_since = 0, None
        self._halve_connections()

    def _is_about_one_address(self) -> bool:
        """Whether this 429 has nothing to do with the rate: slowing down has not made them rarer."""
        stretches = self._stretches
        if stretches and self._granted > HELPED * max(1.0, sum(stretches) / len(stretches)):
            stretches.clear()
        if not stretches and not self._refuses_addresses:
            self._before = (self._rate, self._rate_since, self._growth, self._connections)
        stretches.append(self._granted)
        if len(stretches) < TRIALS:
            return self._refuses_addresses
        mean = sum(stretches) / TRIALS
        if self._refuses_addresses:
            # Far more 429s than such a host has by nature: it counts after all.
            self._refuses_addresses = mean >= RARE / 2
        elif mean >= RARE:
            self._refuses_addresses = True
            self._rate, self._rate_since, self._growth, self._connections = self._before
        return self._refuses_addresses

    def _judge_episode(self, now: float) -> None:
        """After the pause: take the slowing back where only one address of many was refused."""
        episode = self._episode
        if episode is None or now < self.paused_until:
            return
        self._episode = None
        is_lone = episode.refused == 1 and episode.granted_later >= 1
        if is_lone and self.refusals <= max(1.0, LONE_SHARE * self.answers):
            self._rate, self._rate_since, self._growth = episode.rate, episode.rate_since, episode.growth
            self._connections = episode.connections

    def _note_strain(self, number: int, retry_after: float | None, now: float) -> None:
        if retry_after:
            self._pause(retry_after, now)
        if number <= self._ignored_up_to:
            return
        self._strains_in_a_row += 1
        if self._strains_in_a_row > 1:
            self._pause(_backed_off(self._strains_in_a_row - 1), now)
        self._halve_connections()

    def _note_silence(self, number: int, now: float) -> None:
        self._silent_in_a_row += 1
        was_away = self._away_until is not None
        if (was_away and number > self._ignored_up_to) or (
            not was_away and self._silent_in_a_row >= SILENT_IN_A_ROW
        ):
            self._away_until = now + self._cool_down
            self._cool_down = min(2 * self._cool_down, LONGEST_COOL_DOWN)
            self._ignored_up_to = self._number

    def _pause(self, seconds: float, now: float) -> None:
        self.paused_until = max(self.paused_until, now + seconds)

    def _halve_connections(self) -> None:
        self._connections = max(1.0, min(self._connections, float(self.rule.connections)) / 2)
        self._is_slow_start = False
        self._ignored_up_to = self._number


@dataclass(slots=True)
class _Episode:
    """A refusal, what was so before it, and what came of the requests that were under way."""

    first_refused: int
    rate: float | None
    rate_since: float
    growth: float
    connections: float
    refused: int = 1
    granted_later: int = 0


def _backed_off(times: int) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(times - 1, 20), LONGEST_PAUSE)


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
