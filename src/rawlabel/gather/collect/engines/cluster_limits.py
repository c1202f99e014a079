"""The limits of hosts, kept in one place for all processes of a cluster.

`LimitsKeeper` is the actor: the same decisions as on one machine (`host_limits`), taken once for all. In each
process that downloads, `ClusterLimits` asks it. A permit to start a request is asked for only when a request
waits for it, and never stored, so that it is used at the moment for which it was given; what waits for the same
host is asked for together, and what came of requests is told together, which keeps the calls few.

A process that dies tells nothing. Its permits lapse when it has been silent for a while, so a host never stays
closed. When the actor dies, Ray starts another, which begins as cautiously as with unknown hosts and is told the
learned rates by those who knew them.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from rawlabel.gather.collect.http.host_limits import HostLimits
from rawlabel.gather.collect.http.host_state import Answer, HostAway, HostPaused, Ticket

MOST_AT_ONCE = 8
"""Permits for one host that a process gets at a time: few, or the first to ask would have them all."""
RENEW_EVERY, LAPSE_AFTER = 2.0, 10.0
"""A process with permits is heard of this often, and loses them when it was silent for so long [seconds]."""
CALLS_BEFORE_GIVING_UP, CALL_PAUSE = 20, 0.5


@dataclass(frozen=True, slots=True)
class LeasedTicket(Ticket):
    """A permit of the keeper `keeper`; the numbers of two keepers have nothing to do with each other."""

    keeper: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the keeper answers."""

    keeper: str
    numbers: tuple[int, ...] = ()
    trouble: HostAway | HostPaused | None = None
    rate: float | None = None
    """The host's learned rate, for the case that the keeper dies."""


Report = tuple[LeasedTicket, Answer | None, float | None]


@dataclass(slots=True)
class _Client:
    heard_at: float
    held: set[LeasedTicket] = field(default_factory=set)


class LimitsKeeper:
    """The actor. Its methods are asynchronous, so that many can wait in it at the same time."""

    def __init__(self, per_host: int) -> None:
        self._limits = HostLimits(per_host)
        self._name = uuid.uuid4().hex
        self._clients: dict[str, _Client] = {}
        self._swept_at = time.monotonic()

    async def acquire(self, client: str, host: str, wanted: int, known: tuple[str, float] | None) -> Grant:
        """Wait until a request to `host` may start; grant up to `wanted` of them that may start at once.

        `known` is the keeper that the client heard last, and the host's rate according to it.
        """
        self._hear(client)
        if known is not None and known[0] != self._name:
            self._limits.state(host).recall(known[1], time.monotonic())
        sweeping = asyncio.create_task(self._sweep_while_waiting())
        try:
            tickets = [await self._limits.acquire(host)]
        except (HostAway, HostPaused) as error:
            return Grant(self._name, trouble=error)
        finally:
            sweeping.cancel()
        while len(tickets) < wanted and (another := self._limits.try_acquire(host)) is not None:
            tickets.append(another)
        self._hear(client).held.update(LeasedTicket(host, one.number, self._name) for one in tickets)
        rate = self._limits.state(host).rate(time.monotonic())
        return Grant(self._name, tuple(one.number for one in tickets), rate=rate)

    async def report(self, client: str, reports: list[Report]) -> None:
        """Note what came of requests; with none, only that the client is alive."""
        known = self._hear(client)
        self._sweep()
        for ticket, answer, retry_after in reports:
            if ticket in known.held:
                known.held.remove(ticket)
                self._limits.report(Ticket(ticket.host, ticket.number), answer, retry_after)
            elif answer in (Answer.THROTTLED, Answer.STRAINED, Answer.REFUSED):
                # The permit has lapsed or was another keeper's, but what the host says holds all the same.
                number = self._limits.state(ticket.host).start(time.monotonic())
                self._limits.report(Ticket(ticket.host, number), answer, retry_after)

    def _hear(self, client: str) -> _Client:
        now = time.monotonic()
        known = self._clients.setdefault(client, _Client(now))
        known.heard_at = now
        return known

    async def _sweep_while_waiting(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            self._sweep()

    def _sweep(self) -> None:
        """Take back what processes held that are heard of no more."""
        now = time.monotonic()
        if now - self._swept_at < RENEW_EVERY / 2:
            return
        self._swept_at = now
        for name in [name for name, one in self._clients.items() if now - one.heard_at > LAPSE_AFTER]:
            for ticket in self._clients.pop(name).held:
                self._limits.report(Ticket(ticket.host, ticket.number), None)


class ClusterLimits:
    """`RequestLimits` for one process of a cluster; all its methods are called in one event loop."""

    def __init__(self, call: Callable[..., Awaitable[Any]]) -> None:
        """`call(method, *arguments)` asks the keeper, and raises `ConnectionError` while there is none."""
        self._call_keeper = call
        self._name = uuid.uuid4().hex
        self._waiting: defaultdict[str, deque[asyncio.Future[LeasedTicket]]] = defaultdict(deque)
        self._reports: list[Report] = []
        self._known: dict[str, tuple[str, float]] = {}
        self._num_held = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def acquire(self, host: str) -> Ticket:
        """Wait until a request to `host` may start. Raises `HostAway` and `HostPaused`."""
        future: asyncio.Future[LeasedTicket] = asyncio.get_running_loop().create_future()
        self._waiting[host].append(future)
        self._keep_doing(f"ask {host}", lambda: self._ask(host))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.report(future.result(), None)
            raise

    def report(self, ticket: Ticket, answer: Answer | None, retry_after: float | None = None) -> None:
        """Say what came of the request; None when it was cancelled."""
        assert isinstance(ticket, LeasedTicket)
        self._num_held -= 1
        self._reports.append((ticket, answer, retry_after))
        self._keep_doing("report", self._report)

    async def close(self) -> None:
        """Tell what is still to be told, and stop."""
        if report := self._tasks.get("report"):
            await asyncio.wait([report], timeout=RENEW_EVERY)
        for task in self._tasks.values():
            task.cancel()

    def _keep_doing(self, what: str, action: Callable[[], Awaitable[None]]) -> None:
        """Run an action until it has nothing to do; one of a kind at a time, so that work gathers meanwhile."""
        if what in self._tasks:
            return

        async def run() -> None:
            try:
                await action()
            finally:
                del self._tasks[what]

        self._tasks[what] = asyncio.create_task(run())

    async def _ask(self, host: str) -> None:
        queue = self._waiting[host]
        try:
            while wanted := sum(not future.done() for future in queue):
                grant: Grant = await self._call("acquire", host, min(wanted, MOST_AT_ONCE), self._known.get(host))
                if grant.rate is not None:
                    self._known[host] = (grant.keeper, grant.rate)
                for number in grant.numbers:
                    self._hand_over(LeasedTicket(host, number, grant.keeper), queue)
                if grant.trouble is not None:
                    self._refuse(queue, grant.trouble)
        except ConnectionError:
            self._refuse(queue, HostPaused())
        finally:
            del self._waiting[host]
        if self._num_held:
            self._keep_doing("renew", self._renew)

    def _hand_over(self, ticket: LeasedTicket, queue: deque[asyncio.Future[LeasedTicket]]) -> None:
        self._num_held += 1
        self._keep_doing("renew", self._renew)
        while queue:
            future = queue.popleft()
            if not future.done():
                future.set_result(ticket)
                return
        self.report(ticket, None)

    @staticmethod
    def _refuse(queue: deque[asyncio.Future[LeasedTicket]], error: Exception) -> None:
        while queue:
            future = queue.popleft()
            if not future.done():
                future.set_exception(error)

    async def _report(self) -> None:
        while self._reports:
            reports, self._reports = self._reports, []
            try:
                await self._call("report", reports)
            except ConnectionError:
                return

    async def _renew(self) -> None:
        while self._num_held:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await self._call("report", [])
            except ConnectionError:
                continue

    async def _call(self, method: str, *arguments: Any) -> Any:
        """Ask the keeper, also while it is being started again."""
        for attempt in range(CALLS_BEFORE_GIVING_UP):
            try:
                return await self._call_keeper(method, self._name, *arguments)
            except ConnectionError:
                if attempt + 1 == CALLS_BEFORE_GIVING_UP:
                    raise
                await asyncio.sleep(CALL_PAUSE)
        raise AssertionError
