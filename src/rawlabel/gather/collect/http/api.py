"""A source's way to its API: within the budget of calls, tried again when a fault may pass, and read as JSON."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.errors import SourceError
from rawlabel.gather.collect.http.client import HttpClient

Explain = Callable[[Any], str | None]
"""Looks at a reply: None when it is good, a few words when asking again may help; raises `SourceError` if not."""

_FIRST_PAUSE = 0.5
LONGEST_NAP = 60.0
"""A wait for the budget is looked at again after so many seconds."""


class CallBudget:
    """Keeps a source's calls within its limits, across restarts: the catalogue remembers when calls were made."""

    def __init__(self, source: str, catalogue: Catalogue, limits: tuple[tuple[int, float], ...]) -> None:
        self._source, self._catalogue, self._limits = source, catalogue, limits
        longest = max((seconds for _, seconds in limits), default=0.0)
        self._calls = deque(catalogue.calls_since(source, time.time() - longest))
        self._turn = asyncio.Lock()
        self.spent = 0
        """Calls of this run."""

    async def spend(self, notify: Callable[[float], None] | None = None) -> None:
        """Wait until another call is allowed and count it; `notify` hears of waits [seconds]."""
        async with self._turn:
            while (pause := self.pause(time.time())) > 0:
                if notify is not None:
                    notify(pause)
                # The clock may be set meanwhile; and a long wait is told more than once.
                await asyncio.sleep(min(pause, LONGEST_NAP))
            self.count()

    def count(self) -> None:
        """Count a call that is made now, and note its time in the catalogue where the site limits calls."""
        self._calls.append(time.time())
        self.spent += 1
        if self._limits:
            self._catalogue.record_call(self._source, self._calls[-1])

    def pause(self, now: float) -> float:
        """Seconds until the next call is within the limits; 0 when it is. Never longer than a limit's time.

        Calls in the future were counted before the clock was set back; they say nothing and are dropped.
        """
        longest = max((seconds for _, seconds in self._limits), default=0.0)
        while self._calls and self._calls[0] <= now - longest:
            self._calls.popleft()
        while self._calls and self._calls[-1] > now:
            self._calls.pop()
        waits = [0.0]
        for most, seconds in self._limits:
            if len(self._calls) >= most:
                waits.append(self._calls[-most] + seconds - now)
        return max(waits)


class Api:
    """Asks one source's API. Everything it raises is a `SourceError` of one line that holds no key."""

    def __init__(self, source: str, http: HttpClient, catalogue: Catalogue, attempts: int) -> None:
        self._source, self._http, self._catalogue, self._attempts = source, http, catalogue, attempts
        self.budget = CallBudget(source, catalogue, ())
        self.notify: Callable[[float], None] | None = None
        """Hears how long a call waits for the budget [seconds]."""

    def limit(self, calls: tuple[tuple[int, float], ...]) -> None:
        """Keep to these limits from now on, each as (calls, seconds), the calls of earlier runs included."""
        self.budget = CallBudget(self._source, self._catalogue, calls)

    async def get_json(
        self,
        url: str,
        parameters: Mapping[str, str],
        explain: Explain,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask until `explain` calls a reply good, and return it; with `form`, POST it. Raises `SourceError`."""
        site = url.partition("://")[0] + "://" + url.partition("://")[2].partition("/")[0]
        message = ""
        for attempt in range(self._attempts):
            if attempt:
                await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
            await self.budget.spend(self.notify)
            response = await self._http.get(url, dict(parameters), headers=headers, data=form)
            for _ in range(response.attempts - 1):
                self.budget.count()
            if response.failure is not None and not response.body:
                raise SourceError(f"{site}: {response.detail}; check --base-url and the network")
            try:
                reply = json.loads(response.body)
            except (ValueError, RecursionError):
                message = "sent something that is not JSON"
                continue
            problem = explain(reply)
            if problem is None:
                return reply
            message = problem
        raise SourceError(f"{site}: {message}; try again later or check --base-url")
