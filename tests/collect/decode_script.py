"""A process of its own that decodes, for tests of what its workers load, bear and leave behind.

All imports are inside functions, as in the command line: workers load the main module too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import Any

GOOD = [b"good %d" % i for i in range(20)]
SLOW, GREEDY, DEADLY = b"slow", b"greedy", b"deadly"


def hang(photos: list[bytes]) -> list[Any]:
    time.sleep(100)
    return []


def loaded(photos: list[bytes]) -> list[Any]:
    from rawlabel.gather.collect.engines.image_worker import Decoded, Examined

    names = [name for name in ("torch", "aiohttp", "pyarrow", "pydantic", "matplotlib") if name in sys.modules]
    return [Examined(repr(names), Decoded()) for _ in photos]


def misbehave(photos: list[bytes]) -> list[Any]:
    from rawlabel.gather.collect.engines.image_worker import Decoded, Examined, Reason

    found = []
    for photo in photos:
        reason = None
        if photo == SLOW:
            time.sleep(60)
        elif photo == DEADLY:
            os.kill(os.getpid(), signal.SIGSEGV)
        elif photo == GREEDY:
            try:
                bytearray(3_000_000_000)
            except MemoryError:
                reason = Reason.DECODE_LIMIT
        found.append(Examined(photo.decode(), Decoded(reason)))
    return found


async def main(wish: str) -> None:
    from rawlabel.gather.collect.engines import image_worker
    from rawlabel.gather.collect.engines.decode_pool import DecodePool

    image_worker.examine_all = {"hang": hang, "begin": hang, "modules": loaded, "misbehave": misbehave}[wish]
    seconds = 1.0 if wish == "misbehave" else 60.0
    photos = [*GOOD[:7], SLOW, GREEDY, *GOOD[7:15], DEADLY, *GOOD[15:]] if wish == "misbehave" else [b"photo"]
    limits = image_worker.WorkerLimits(600, 64.0)
    async with DecodePool(limits, workers=2, seconds=seconds) as pool:
        tasks = [asyncio.create_task(pool.examine(photo)) for photo in photos]
        if wish in ("hang", "begin"):
            await asyncio.sleep(1.5 if wish == "hang" else 0.1)
            sys.stdout.write("decoding\n")
            sys.stdout.flush()
        for photo, task in zip(photos, tasks, strict=True):
            found = await task
            reason = found.decoded.reason
            sys.stdout.write(f"{found.sha256}\n" if wish == "modules" else f"{photo.decode()}: {reason}\n")


def run(wish: str) -> None:
    from rawlabel.base.signals import run_until_stopped

    try:
        run_until_stopped(main(wish))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run(sys.argv[1])
