"""Host limits kept in one place for several processes, without the processes: permits, silence, a new keeper."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from rawlabel.gather.collect.engines import cluster_limits
from rawlabel.gather.collect.engines.cluster_limits import ClusterLimits, Grant, LimitsKeeper
from rawlabel.gather.collect.http.host_limits import HostLimits
from rawlabel.gather.collect.http.host_state import Answer, HostAway, HostPaused
from tests.helpers.skipping_loop import SkippingLoop

HOST = "127.0.0.1:80"


class Line:
    """The way to a keeper, which counts calls and can be cut."""

    def __init__(self, per_host: int = 4) -> None:
        self.keeper, self.calls, self.is_cut = LimitsKeeper(per_host), Counter[str](), False

    async def call(self, method: str, *arguments: Any) -> Any:
        self.calls[method] += 1
        if self.is_cut:
            raise ConnectionError
        await asyncio.sleep(0)
        return await getattr(self.keeper, method)(*arguments)


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs on a clock of its own: where the machine's went on, a process that stalls would be one that is dead."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        clock = runner.get_loop().time
        monkeypatch.setattr(cluster_limits, "time", SimpleNamespace(monotonic=clock))
        monkeypatch.setattr(cluster_limits, "HostLimits", partial(HostLimits, clock=clock))
        yield lambda main: runner.run(asyncio.wait_for(main, 300))


def test_all_processes_together_keep_a_hosts_limit_with_few_calls(run: Run) -> None:
    async def main() -> None:
        line, under_way, most = Line(per_host=4), 0, 0

        async def one(client: ClusterLimits) -> None:
            nonlocal under_way, most
            ticket = await client.acquire(HOST)
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.002)
            under_way -= 1
            client.report(ticket, Answer.GRANTED)

        clients = [ClusterLimits(line.call) for _ in range(3)]
        await asyncio.gather(*(one(client) for client in clients for _ in range(100)))
        assert most == 4
        assert line.calls.total() < 2 * 300
        for client in clients:
            await client.close()

    run(main())


def test_permits_of_a_process_that_died_lapse_and_those_of_a_slow_one_do_not(run: Run) -> None:
    async def main() -> None:
        line = Line(per_host=1)
        dead, slow = ClusterLimits(line.call), ClusterLimits(line.call)
        ticket = await slow.acquire(HOST)
        waiting = asyncio.create_task(dead.acquire(HOST))
        await asyncio.sleep(2 * cluster_limits.LAPSE_AFTER)
        assert not waiting.done(), "the slow one is alive and has its permit still"
        slow.report(ticket, Answer.GRANTED)
        await waiting
        await dead.close()  # it tells nothing of its permit
        await asyncio.wait_for(slow.acquire(HOST), 5 * cluster_limits.LAPSE_AFTER)
        await slow.close()

    run(main())


def test_a_new_keeper_learns_the_rates_and_takes_no_permit_of_the_old_one(run: Run) -> None:
    async def main() -> None:
        line = Line()
        client = ClusterLimits(line.call)
        for _ in range(6):
            client.report(await client.acquire(HOST), Answer.GRANTED)
            await asyncio.sleep(0.03)
        client.report(await client.acquire(HOST), Answer.THROTTLED, 0.2)
        old = await client.acquire(HOST)
        learned = line.keeper._limits.state(HOST).rate(asyncio.get_running_loop().time())
        line.keeper = LimitsKeeper(4)
        client.report(old, Answer.GRANTED)
        ticket = await client.acquire(HOST)
        state = line.keeper._limits.state(HOST)
        assert learned is not None
        assert state.rate(asyncio.get_running_loop().time()) == pytest.approx(learned, rel=0.05)
        assert state.in_flight == 1
        client.report(ticket, Answer.GRANTED)
        await client.close()

    run(main())


def test_without_a_keeper_photos_are_left_for_a_later_run(run: Run) -> None:
    async def main() -> None:
        line = Line()
        client = ClusterLimits(line.call)
        line.is_cut = True
        with pytest.raises(HostPaused):
            await client.acquire(HOST)
        line.is_cut = False
        client.report(await client.acquire(HOST), Answer.GRANTED)
        await client.close()

    run(main())


def test_a_host_that_is_away_is_away_for_all(run: Run) -> None:
    async def main() -> None:
        line = Line()
        one, other = ClusterLimits(line.call), ClusterLimits(line.call)
        with pytest.raises(HostAway):
            for _ in range(50):
                one.report(await one.acquire(HOST), Answer.SILENT)
                await asyncio.sleep(0)
        with pytest.raises(HostAway):
            await other.acquire(HOST)
        await one.close()
        await other.close()

    run(main())


def test_a_request_that_is_given_up_gives_its_permit_back(run: Run) -> None:
    async def main() -> None:
        line = Line(per_host=1)
        client = ClusterLimits(line.call)
        ticket = await client.acquire(HOST)
        given_up = asyncio.create_task(client.acquire(HOST))
        await asyncio.sleep(0.02)
        given_up.cancel()
        client.report(ticket, Answer.GRANTED)
        client.report(await asyncio.wait_for(client.acquire(HOST), 5), Answer.GRANTED)
        await client.close()

    run(main())


def test_why_a_host_is_left_alone_travels_between_processes() -> None:
    grant = pickle.loads(pickle.dumps(Grant("k", trouble=HostPaused(86_400.0, Answer.STRAINED))))  # noqa: S301
    assert isinstance(grant.trouble, HostPaused)
    assert (grant.trouble.seconds, grant.trouble.answer) == (86_400.0, Answer.STRAINED)
