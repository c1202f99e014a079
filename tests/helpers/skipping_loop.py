"""Time that passes only where a test waits for it, so that a machine that stalls changes nothing."""

from __future__ import annotations

import asyncio
import selectors


class _Skipping(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, its clock goes on instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits, and nothing will wake them"
        self.now += timeout
        return []


class SkippingLoop(asyncio.SelectorEventLoop):
    """A loop on a clock of its own, on which hours take as long as their work."""

    def __init__(self) -> None:
        self._clock = _Skipping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now
