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


async def download(urls: list[str], config: Any) -> list[Any]:
    from rawlabel.collect.fetch import LocalEngine
    from rawlabel.collect.http import HttpClient
    from rawlabel.records import Photo

    outcomes: list[Any] = []
    photos = (Photo("list", str(i), url) for i, url in enumerate(urls))
    sources: Any = {"list": List()}
    async with HttpClient(config) as http, LocalEngine(config, http, sources) as engine:
        await engine.download(photos, outcomes.append)  # type: ignore[arg-type]
    return outcomes


def main(url_file: Path, out: Path, side: int, concurrency: int, workers: int) -> None:
    from rawlabel.collect import fetch, http
    from rawlabel.config import CollectConfig

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
    outcomes = asyncio.run(download(url_file.read_text("utf-8").split(), config))
    with (out / "outcomes.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(asdict(one)) + "\n" for one in outcomes)
    seconds = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_seconds = sum(one.ru_utime + one.ru_stime for one in used)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "photos": sum(one.status == "fetched" for one in outcomes),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6]))
