"""A host is asked no faster than it can stand, whatever way it counts; what is decided is simulated on a clock."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import random
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.gather.collect.http.host_limits import HostLimits
from rawlabel.gather.collect.http.host_rules import KNOWN_HOSTS, HostRule
from rawlabel.gather.collect.http.host_state import (
    FIRST_COOL_DOWN,
    LONGEST_HEARD,
    LONGEST_WAIT,
    REFUSED_IN_A_ROW,
    SILENT_IN_A_ROW,
    STRAINS_OF_A_HOST,
    Answer,
    HostAway,
    HostPaused,
    HostState,
)
from tests.helpers.skipping_loop import SkippingLoop

Limiter = Callable[[float], float | None]
"""Told the time of a request; None when it is granted, else the seconds to wait until the next one would be."""


def sliding_window(most: int, seconds: float) -> Limiter:
    granted: deque[float] = deque()

    def ask(now: float) -> float | None:
        while granted and granted[0] <= now - seconds:
            granted.popleft()
        if len(granted) < most:
            granted.append(now)
            return None
        return granted[0] + seconds - now

    return ask


def fixed_window(most: int, seconds: float) -> Limiter:
    counts: dict[int, int] = {}

    def ask(now: float) -> float | None:
        window = int(now // seconds)
        counts[window] = counts.get(window, 0) + 1
        return None if counts[window] <= most else (window + 1) * seconds - now

    return ask


def token_bucket(per_second: float, burst: int) -> Limiter:
    state = [float(burst), 0.0]

    def ask(now: float) -> float | None:
        state[0] = min(burst, state[0] + (now - state[1]) * per_second)
        state[1] = now
        if state[0] >= 1:
            state[0] -= 1
            return None
        return (1 - state[0]) / per_second

    return ask


def simulate(
    limiter: Limiter, seconds: float, *, says_when: bool = True, connections: int = 8, latency: float = 0.05
) -> tuple[list[float], list[float]]:
    """Ask without end; the times of the granted and of the refused requests."""
    host, rng = HostState(HostRule(connections)), random.Random(3)
    granted: list[float] = []
    refused: list[float] = []
    under_way: list[tuple[float, int, Answer, float | None]] = []
    now = 100.3
    begun = now
    while now < begun + seconds:
        start = host.next_start(now)
        if start <= now:
            number = host.start(now)
            wait = limiter(now)
            (refused if wait is not None else granted).append(now - begun)
            # Retry-After is in whole seconds, rounded up.
            after = float(math.ceil(wait)) if wait is not None and says_when else None
            answer = Answer.GRANTED if wait is None else Answer.THROTTLED
            heapq.heappush(under_way, (now + latency * rng.uniform(0.5, 1.5), number, answer, after))
        elif under_way and under_way[0][0] <= start:
            now, number, answer, after = heapq.heappop(under_way)
            host.end(number, answer, after, now)
        else:
            now = start
    return granted, refused


@pytest.mark.integration
@pytest.mark.parametrize("says_when", [True, False], ids=["retry-after", "silent"])
@pytest.mark.parametrize("latency", [0.01, 0.3])
@pytest.mark.parametrize("per_second", [1, 2, 5, 20, 100])
@pytest.mark.parametrize(
    "kind", [lambda n: sliding_window(n, 1), lambda n: fixed_window(n, 1), lambda n: token_bucket(n, n),
             lambda n: token_bucket(n, 10 * n)], ids=["sliding", "fixed", "bucket", "deep bucket"]
)  # fmt: skip
def test_ten_seconds_into_a_storm_there_is_no_further_429(
    kind: Callable[[int], Limiter], per_second: int, latency: float, says_when: bool
) -> None:
    granted, refused = simulate(kind(per_second), 900, says_when=says_when, latency=latency)
    assert not refused or max(refused) <= refused[0] + 10 + 10 * latency
    late = [at for at in granted if at > 60]
    natural = 8 / latency
    assert len(late) / 840 >= 0.25 * min(per_second, natural)
    assert len(late) / 840 <= per_second * 1.01


@pytest.mark.parametrize("kind", [sliding_window, fixed_window])
@pytest.mark.parametrize("most", [6, 60, 600])
def test_a_limit_by_the_minute_is_understood_from_the_first_refusals(
    kind: Callable[[int, float], Limiter], most: int
) -> None:
    granted, refused = simulate(kind(most, 60), 1800, connections=8)
    assert max(refused) < 130
    assert len(granted) >= 0.5 * 30 * most


def test_a_refusal_of_one_address_slows_the_host_for_its_pause_only() -> None:
    rng = random.Random(1)
    granted, refused = simulate(lambda now: 1.0 if rng.random() < 0.005 else None, 120, latency=0.05)
    assert len(refused) > 20
    late = sum(at > 60 for at in granted) / 60
    assert late > 30


@pytest.mark.parametrize("share", [0.003, 0.01, 0.03])
def test_a_host_that_refuses_single_addresses_at_any_rate_is_not_slowed_for_good(share: float) -> None:
    rng = random.Random(8)
    granted, refused = simulate(lambda now: 1.0 if rng.random() < share else None, 300)
    late = sum(moment > 200 for moment in granted)
    # Eight connections and 50 ms allow 160 a second; each 429 costs a second in which nothing is asked.
    expected = 100 / (1 / 160 + share)
    assert late > 0.5 * expected
    assert len(refused) > 5


def test_a_host_that_refuses_single_addresses_may_still_begin_to_count() -> None:
    rng, window = random.Random(8), sliding_window(5, 1)
    host_limit: list[Limiter] = [lambda now: 1.0 if rng.random() < 0.01 else None, window]
    granted, refused = simulate(lambda now: host_limit[now > 400](now), 400)
    assert not [moment for moment in refused if moment > 360]
    assert [moment for moment in granted if moment > 360]


def test_without_a_429_the_connections_are_the_only_limit() -> None:
    granted, _ = simulate(lambda now: None, 20, connections=8, latency=0.1)
    assert len([at for at in granted if at > 10]) == pytest.approx(10 * 8 / 0.1, rel=0.1)
    assert len([at for at in granted if at < 0.05]) <= 3


def test_strain_halves_the_connections_and_they_come_back() -> None:
    host = HostState(HostRule(8))
    for _ in range(10):
        host.end(host.start(0.0), Answer.GRANTED, None, 0.0)
    numbers = [host.start(1.0) for _ in range(8)]
    for number in numbers:
        host.end(number, Answer.STRAINED, None, 1.0)
    at_once = 0
    while host.next_start(2.0) <= 2.0:
        host.start(2.0)
        at_once += 1
    assert at_once == 4
    for number in range(numbers[-1] + 1, numbers[-1] + 5):
        host.end(number, Answer.GRANTED, None, 3.0)
    for _ in range(40):
        host.end(host.start(4.0), Answer.GRANTED, None, 4.0)
    while host.next_start(5.0) <= 5.0:
        host.start(5.0)
    assert host.in_flight == 8


def test_an_absent_host_is_left_alone_then_probed_once() -> None:
    host = HostState(HostRule(8))
    now = 0.0
    for _ in range(SILENT_IN_A_ROW):
        assert host.next_start(now) <= now
        host.end(host.start(now), Answer.SILENT, None, now)
    with pytest.raises(HostAway):
        host.next_start(now + FIRST_COOL_DOWN / 2)
    now += FIRST_COOL_DOWN
    probe = host.start(host.next_start(now))
    with pytest.raises(HostAway):
        host.next_start(now)
    host.end(probe, Answer.SILENT, None, now)
    with pytest.raises(HostAway):
        host.next_start(now + 1.5 * FIRST_COOL_DOWN)
    now += 2 * FIRST_COOL_DOWN
    host.end(host.start(host.next_start(now)), Answer.GRANTED, None, now)
    assert host.next_start(now) <= now


def test_a_pause_longer_than_a_run_waits_is_no_wait() -> None:
    host = HostState(HostRule(8))
    host.end(host.start(0.0), Answer.THROTTLED, LONGEST_WAIT - 1, 0.0)
    assert host.next_start(1.0) == LONGEST_WAIT - 1
    host.end(host.start(LONGEST_WAIT), Answer.THROTTLED, 3600, LONGEST_WAIT)
    with pytest.raises(HostPaused):
        host.next_start(LONGEST_WAIT + 1)


def test_a_pause_of_years_ends_after_an_hour_and_is_told() -> None:
    host, years = HostState(HostRule(8)), 2.5e11
    host.end(host.start(0.0), Answer.THROTTLED, years, 0.0)
    with pytest.raises(HostPaused) as pause:
        host.next_start(1.0)
    assert pause.value.seconds == years
    assert host.next_start(LONGEST_HEARD) <= LONGEST_HEARD


def test_a_lone_503_binds_its_address_and_many_in_a_row_their_host() -> None:
    host = HostState(HostRule(8))
    for moment in range(100):
        answer = Answer.STRAINED if moment % 5 == 0 else Answer.GRANTED
        host.end(host.start(moment), answer, 86_400.0 if answer is Answer.STRAINED else None, moment)
        assert host.next_start(moment) == moment
    for count in range(STRAINS_OF_A_HOST):
        moment = host.next_start(200.0 + 100 * count)
        host.end(host.start(moment), Answer.STRAINED, 86_400.0, moment)
    with pytest.raises(HostPaused) as pause:
        host.next_start(2000.0)
    assert pause.value.answer is Answer.STRAINED


def test_a_short_pause_that_two_503s_ask_for_holds_for_the_host() -> None:
    host = HostState(HostRule(8))
    first, second = host.start(0.0), host.start(0.0)
    host.end(first, Answer.STRAINED, 30.0, 1.0)
    assert host.next_start(1.0) == 1.0 or host.in_flight
    host.end(second, Answer.STRAINED, 30.0, 1.0)
    assert host.next_start(1.0) == 31.0


def test_one_refused_address_says_nothing_about_a_host_that_serves_others() -> None:
    host, now = HostState(HostRule(8)), 0.0
    for count in range(400):
        host.end(host.start(now), Answer.REFUSED if count % 2 else Answer.GRANTED, None, now)
        assert host.next_start(now) == now
    for _ in range(REFUSED_IN_A_ROW):
        host.end(host.start(now), Answer.REFUSED, None, now)
    with pytest.raises(HostPaused) as pause:
        host.next_start(now)
    assert pause.value.answer is Answer.REFUSED


@pytest.mark.parametrize("rule", sorted(set(KNOWN_HOSTS.values()), key=str), ids=str)
def test_published_rules_are_kept_from_the_first_request_on(rule: HostRule) -> None:
    host, starts = HostState(rule), []
    now = 0.0
    while now < 30:
        start = host.next_start(now)
        if start == math.inf or host.in_flight >= 40:
            host.end(len(starts), Answer.GRANTED, None, now)
            continue
        now = max(now + 0.02, start)
        starts.append(now)
        host.start(now)
        assert host.in_flight <= rule.connections
    if rule.per_second:
        assert len(starts) <= 30 * rule.per_second + 1


actions = st.lists(
    st.tuples(st.sampled_from([*Answer, None, "start"]), st.floats(0, 5), st.none() | st.floats(0, 200)),
    max_size=60,
)


@given(actions)
def test_no_course_of_events_breaks_the_rules(
    course: list[tuple[Answer | str | None, float, float | None]],
) -> None:
    host, now, open_requests = HostState(HostRule(3, 5.0)), 0.0, deque[int]()
    last_start, pause_ends = -1.0, 0.0
    for what, passes, after in course:
        now += passes
        if isinstance(what, str) or not open_requests:
            try:
                start = host.next_start(now)
            except (HostAway, HostPaused):
                continue
            if start <= now:
                assert now >= pause_ends - 1e-9
                assert now - last_start >= 0.2 - 1e-9
                open_requests.append(host.start(now))
                last_start = now
        elif what is None:
            open_requests.popleft()
            host.abandon()
        else:
            host.end(open_requests.popleft(), what, after, now)
            if what is Answer.THROTTLED:
                pause_ends = max(pause_ends, now + (after or 0.0))
        assert host.in_flight == len(open_requests) <= 3
        assert (host.rate(now) or 0) <= 5.0


def test_hosts_of_one_operator_are_counted_together() -> None:
    async def main() -> None:
        limits = HostLimits(8)
        first = await limits.acquire("live.staticflickr.com:443")
        limits.report(first, Answer.THROTTLED, 1000.0)
        with pytest.raises(HostPaused):
            await limits.acquire("farm7.staticflickr.com:443")
        other = await limits.acquire("notstaticflickr.com:443")
        limits.report(other, None)

    asyncio.run(main())


class ThrottlingServer:
    """Answers with `Retry-After` above its limit, after some time on the way."""

    def __init__(self, limiter: Limiter, clock: Callable[[], float]) -> None:
        self.granted: list[float] = []
        self.refused: list[float] = []
        self._limiter, self._clock, self._random = limiter, clock, random.Random(0)

    async def answer(self) -> float | None:
        """None, or the seconds to wait."""
        await asyncio.sleep(self._random.uniform(0.001, 0.02))
        now = self._clock()
        wait = self._limiter(now)
        (self.granted if wait is None else self.refused).append(now)
        await asyncio.sleep(self._random.uniform(0.001, 0.02))
        return None if wait is None else math.ceil(wait)


async def ask_without_end(server: ThrottlingServer, host: str, limits: HostLimits) -> None:
    while True:
        ticket = await limits.acquire(host)
        after = await server.answer()
        limits.report(ticket, Answer.GRANTED if after is None else Answer.THROTTLED, after)


def test_many_who_ask_at_once_are_kept_below_the_limit_of_each_server() -> None:
    """Ten seconds into a storm the rate lies below each server's limit, and no 429 comes any more."""
    loop = SkippingLoop()
    limits_of_servers = [(sliding_window, 5, 1.0), (sliding_window, 20, 1.0), (fixed_window, 12, 2.0)]
    servers = [ThrottlingServer(kind(most, window), loop.time) for kind, most, window in limits_of_servers]

    async def main() -> None:
        limits = HostLimits(8, clock=loop.time)
        tasks = [
            asyncio.create_task(ask_without_end(server, f"host{number}:80", limits))
            for number, server in enumerate(servers)
            for _ in range(24)
        ]
        await asyncio.sleep(40)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with contextlib.closing(loop):
        loop.run_until_complete(main())
    for server, (_, most, window) in zip(servers, limits_of_servers, strict=True):
        assert server.refused
        assert max(server.refused) < 10
        late = [at for at in server.granted if at > 10]
        assert 0.3 * most / window <= len(late) / 30 <= most / window
