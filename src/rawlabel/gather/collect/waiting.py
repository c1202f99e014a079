"""What is said while a photo site makes a run wait: which host, for how long, and that the run still lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rawlabel.base.progress import SECONDS_BETWEEN_LINES, Task
from rawlabel.gather.collect.http.client import HttpClient


@asynccontextmanager
async def telling_waits(task: Task, http: HttpClient) -> AsyncIterator[None]:
    """Say on `task`, while the block runs, which host throttles the requests of `http`, and for how long.

    However long nothing is done, something is said.
    """
    http.hear_waits(lambda host, seconds: task.tell_wait(host, f"throttles, waits {duration(seconds)}"))
    heart = asyncio.create_task(_beat(task))
    try:
        yield
    finally:
        heart.cancel()


def duration(seconds: float) -> str:
    """A time in words, such as `40 s` or `13 h 20 min`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


async def _beat(task: Task) -> None:
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_LINES)
        task.keep_alive()
