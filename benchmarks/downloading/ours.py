"""Download a list of addresses with rawlabel's engine, in a process of its own; prints seconds and photos.

Usage: ours.py URL_FILE OUT_FOLDER SIDE CONCURRENCY WORKERS; SIDE 0 stores the bytes as they come.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any


class List:
    """A source whose photos are asked from their hosts."""

    async def read(self, photo: Any) -> bytes | None:
        return None

    def is_placeholder(self, final_url: str) -> bool:
        return False


async def download(url_file: Path, out: Path, config: Any) -> int:
    """Neither addresses nor outcomes are kept, so that what memory grows is the engine's; returns the fetched."""
    from rawlabel.gather.collect.engines.fetch import LocalEngine
    from rawlabel.gather.collect.http.client import HttpClient
    from rawlabel.records import Photo

    num_fetched = 0
    sources: Any = {"list": List()}
    async with HttpClient(config) as http, LocalEngine(config, http, sources) as engine:
        with url_file.open(encoding="utf-8") as urls, (out / "outcomes.jsonl").open("w", encoding="utf-8") as log:

            def record(outcome: Any) -> None:
                nonlocal num_fetched
                num_fetched += outcome.status == "fetched"
                log.write(json.dumps(asdict(outcome)) + "\n")

            photos: Any = (Photo("list", str(i), url.strip()) for i, url in enumerate(urls))
            await engine.download(photos, record)
    return num_fetched


def main(url_file: Path, out: Path, side: int, concurrency: int, workers: int) -> None:
    from rawlabel.config import CollectConfig
    from rawlabel.gather.collect.engines import fetch
    from rawlabel.gather.collect.http import client as http

    assert fetch
    assert http
    config = CollectConfig(
        project=out,
        resize=side or None,
        allow_loopback=True,
        concurrency=concurrency,
        per_host=64,
        workers=workers,
    )
    started = time.perf_counter()
    num_fetched = asyncio.run(download(url_file, out, config))
    seconds = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_seconds = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "photos": num_fetched}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6]))
