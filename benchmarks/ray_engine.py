"""Photos a second of the local engine and of the Ray engine on this machine, from an image host on loopback.

Each engine is timed from its first request to its last outcome, so that starting Ray (which is reported by itself)
does not count. The runs are interleaved, and the medians are printed with the machine's load.

    python benchmarks/ray_engine.py --photos 600 --runs 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.helpers.image_host import image_host

from rawlabel.config import CollectConfig
from rawlabel.gather.collect.engines.engine import make_engine
from rawlabel.gather.collect.http.client import HttpClient
from rawlabel.gather.collect.sources.flickr import PLUGIN as Flickr
from rawlabel.records import Outcome, Status


async def timed(config: CollectConfig, num_photos: int) -> tuple[float, float]:
    """Photos a second, and the seconds until the engine was ready."""
    outcomes: list[Outcome] = []
    with image_host() as host:
        asked_at = time.perf_counter()
        sources = {"flickr": Flickr.__new__(Flickr)}
        async with HttpClient(config) as http, make_engine(config, http, sources) as engine:
            # Processes start on demand; they are not what is measured.
            await engine.download(host.photos(64, first=10_000_000), lambda outcome: None)
            started_at = time.perf_counter()
            await engine.download(host.photos(num_photos), outcomes.append)
            seconds = time.perf_counter() - started_at
    assert sum(one.status is Status.FETCHED for one in outcomes) == num_photos
    return num_photos / seconds, started_at - asked_at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    speeds: dict[str, list[float]] = {"local": [], "ray": []}
    starts: dict[str, list[float]] = {"local": [], "ray": []}
    for _ in range(arguments.runs):
        for engine in speeds:
            with tempfile.TemporaryDirectory() as folder:
                config = CollectConfig(
                    project=Path(folder) / "p", engine=engine, allow_loopback=True, per_host=64, concurrency=64
                )
                speed, start = asyncio.run(timed(config, arguments.photos))
            speeds[engine].append(speed)
            starts[engine].append(start)
    result = {
        engine: {
            "photos_per_second": round(statistics.median(speeds[engine]), 1),
            "seconds_to_start": round(statistics.median(starts[engine]), 1),
        }
        for engine in speeds
    }
    print(json.dumps({**result, "photos": arguments.photos, "cores": os.cpu_count(), "load": os.getloadavg()}))


if __name__ == "__main__":
    main()
