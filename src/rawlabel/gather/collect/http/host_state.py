"""When the next request to a host may start: few connections, an adapting rate, pauses, and a circuit breaker.

`HostState` takes all decisions for one host and knows neither sockets nor event loops: it is told the time and
what came of each request, and says when the next may start.

A site that throttles is obeyed at once and remembered. On HTTP 429 the whole host pauses for as long as the site
asks. What it had granted until then, over the time that had passed by the end of the pause, is a rate that it can
stand, whether it counts by the second or by the minute; from then on requests are spread evenly at three quarters
of this rate, which rises again by only half a percent a minute.

Some hosts refuse single addresses whatever the rate (Flickr's image host has been seen to). They are told apart by
trial: where the 429s stay as rare as they were though the rate was lowered several times, slowing is no use, and
the old rate is taken up again; such a host still gets each pause that it asks for.

A 503 or a 403 may be about one address or about all. A lone one binds its address; many in a row, with no other
request granted between them, are the host's, which is then left for a later run.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from rawlabel.gather.collect.http.host_rules import HostRule

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
LONGEST_HEARD = 3600.0
"""No pause lasts longer than this [seconds], whatever a host asks for; then one request sees if it was meant."""
STRAINS_OF_A_HOST = 8
"""A long pause that a 503 asks for is the address's own, until so many 503s came in a row."""
REFUSED_IN_A_ROW = 16
"""Addresses refused in a row (HTTP 403 and the like) after which it is the host that refuses, and not they."""
SILENT_IN_A_ROW = 8
"""Requests without any answer after which a host counts as away."""
FIRST_COOL_DOWN, LONGEST_COOL_DOWN = 30.0, 480.0


class Answer(Enum):
    """What came of a request, as far as the host's limits are concerned."""

    GRANTED = auto()
    """The host answered, and not to slow down; a 404 is such an answer."""
    THROTTLED = auto()
    """HTTP 429: the host says that this is too fast."""
    STRAINED = auto()
    """HTTP 503, or a web page in place of an image: the host seems to have enough."""
    REFUSED = auto()
    """HTTP 403 and the like: this address is not to be had, or none is."""
    SILENT = auto()
    """No answer at all: no address, no connection, or nothing within the time limit."""


class HostPaused(Exception):
    """The host is left for a later run: it asks for a pause longer than a run waits, or refuses everything."""

    def __init__(self, seconds: float = math.inf, answer: Answer = Answer.THROTTLED) -> None:
        super().__init__(seconds, answer)
        self.seconds, self.answer = seconds, answer


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
    _asked_for: float = 0.0
    _paused_over: Answer = Answer.THROTTLED
    """What the pause was for, and its length as the host wanted it [seconds]."""
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
    _strained_times: int = 0
    """The same without those that were under way when an earlier one came back."""
    _refused_in_a_row: int = 0
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
            raise HostPaused(self._asked_for, self._paused_over)
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
        if answer is Answer.REFUSED:
            self._note_refused(now)
            return
        self._refused_in_a_row = 0
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
        self._strains_in_a_row = self._strained_times = self._throttled_in_a_row = 0
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
        """A lone 503 binds its own address, which the client sees to; several in a row are the host's."""
        self._strains_in_a_row += 1
        is_hosts = self._strains_in_a_row >= (STRAINS_OF_A_HOST if (retry_after or 0.0) > LONGEST_WAIT else 2)
        if retry_after and is_hosts:
            self._pause(retry_after, now, Answer.STRAINED)
        if number <= self._ignored_up_to:
            return
        self._strained_times += 1
        if self._strained_times > 1:
            self._pause(_backed_off(self._strained_times - 1), now, Answer.STRAINED)
        self._halve_connections()

    def _note_refused(self, now: float) -> None:
        """One refused address says nothing about the host, which goes on to serve others; many in a row do."""
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= REFUSED_IN_A_ROW:
            self._pause(LONGEST_HEARD, now, Answer.REFUSED)

    def _note_silence(self, number: int, now: float) -> None:
        self._silent_in_a_row += 1
        was_away = self._away_until is not None
        if (was_away and number > self._ignored_up_to) or (
            not was_away and self._silent_in_a_row >= SILENT_IN_A_ROW
        ):
            self._away_until = now + self._cool_down
            self._cool_down = min(2 * self._cool_down, LONGEST_COOL_DOWN)
            self._ignored_up_to = self._number

    def _pause(self, seconds: float, now: float, over: Answer = Answer.THROTTLED) -> None:
        until = now + min(seconds, LONGEST_HEARD)
        if until > self.paused_until:
            self.paused_until, self._asked_for, self._paused_over = until, seconds, over

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
