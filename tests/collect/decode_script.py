"""A process of its own that decodes, for tests of what its workers load, bear and leave behind.

What its workers run is in `decode_stand_ins`: they do not load the main module.
"""

from __future__ import annotations

import asyncio
import sys

from decode_stand_ins import DEADLY, GREEDY, SLOW, hang, loaded, misbehave

GOOD = [b"good %d" % i for i in range(20)]


async def main(wish: str) -> None:
    from rawlabel.gather.collect.engines import image_worker
    from rawlabel.gather.collect.engines.decode_pool import DecodePool

    image_worker.examine_all = {"hang": hang, "begin": hang, "modules": loaded, "misbehave": misbehave}[wish]
    seconds = 1.0 if wish == "misbehave" else 600.0
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
