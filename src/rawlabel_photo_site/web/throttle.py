"""Limits on the number of requests in a time."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable


class Throttle:
    """Allows each client so many requests in any span of so many seconds; refused ones do not count."""

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.seconds = seconds
        self._clock = clock
        self._admitted: defaultdict[str, deque[float]] = defaultdict(deque)

    def wait(self, client: str) -> float:
        """Seconds until the client's next request would be admitted; 0 if it would be now."""
        now, admitted = self._clock(), self._admitted[client]
        while admitted and admitted[0] <= now - self.seconds:
            admitted.popleft()
        return 0.0 if len(admitted) < self.limit else admitted[0] + self.seconds - now

    def admit(self, client: str) -> None:
        """Count a request of this client as made now, whether or not it had to wait."""
        self._admitted[client].append(self._clock())

    def used(self, client: str) -> int:
        """How many requests of this client count at the moment, those within the window of the limit."""
        self.wait(client)
        return len(self._admitted[client])
