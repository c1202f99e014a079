"""Images a second and peak memory of downloading, against img2dataset 1.47 on the same machine in the same run.

Many hosts on loopback, no limits, files as storage, the same size of the stored photos: resized to a shorter side
of 256 as JPEG of quality 95, and bytes as they come. rawlabel also decodes, fingerprints and fsyncs every photo in
both rows; img2dataset decodes in the first only. Runs are interleaved, figures are medians.

    python benchmarks/downloader.py --peer-venv DIR      # makes the environment of img2dataset there if need be
    python benchmarks/downloader.py --before DIR         # and an older checkout (with a .venv) in the same run
    python benchmarks/downloader.py --rows 100000        # memory over a long list of tiny photos
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent))
from downloading.image_server import host_address

HERE = Path(__file__).parent
PEER = "img2dataset==1.47.0"


def make_peer(folder: Path) -> Path:
    """An environment with img2dataset; returns its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER], check=True)
    return python


@contextmanager
def image_server(num_photos: int, num_hosts: int, side: int) -> Any:
    """Yield the port and the mean size of a photo [bytes]."""
    arguments = map(str, (HERE / "downloading" / "image_server.py", num_photos, num_hosts, side))
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port, size = map(int, server.stdout.readline().split())
            yield port, size
        finally:
            server.terminate()


class Memory:
    """Samples the memory of a process and all it started (proportional set size), until it ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.samples: list[tuple[float, int]] = []
        self._process = psutil.Process(process.pid)
        self._popen = process
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        started = time.monotonic()
        while self._popen.poll() is None:
            total = 0
            try:
                for one in [self._process, *self._process.children(recursive=True)]:
                    try:
                        total += one.memory_full_info().pss
                    except psutil.Error:
                        continue
            except psutil.Error:
                break
            self.samples.append((time.monotonic() - started, total))
            time.sleep(0.2)

    def peak(self) -> float:
        """Megabytes."""
        self._thread.join()
        return max((size for _, size in self.samples), default=0) / 1e6


def run(python: Path | str, script: Path, *arguments: object) -> dict[str, Any]:
    """One run in a process of its own, and its figures."""
    command = [str(python), str(script), *map(str, arguments)]
    environment = dict(os.environ) | {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    memory = Memory(process)
    out, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{script} failed:\n{errors[-3000:]}")
    figures: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    figures["per_second"] = round(figures["photos"] / figures["seconds"], 1)
    figures["peak_megabytes"] = round(memory.peak(), 1)
    figures["memory"] = memory.samples
    return figures


def write_urls(path: Path, num_photos: int, num_hosts: int, port: int) -> None:
    path.write_text(
        "".join(f"http://{host_address(i % num_hosts)}:{port}/{i}.jpg\n" for i in range(num_photos)), "utf-8"
    )


def compare(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Medians of both tools for both ways of storing."""
    peer, scripts = make_peer(options.peer_venv), HERE / "downloading"
    ours = (options.concurrency, options.workers)
    tools = {
        "rawlabel": (sys.executable, scripts / "ours.py", ours),
        "img2dataset": (peer, scripts / "img2dataset_run.py", (options.peer_threads, options.peer_processes)),
    }
    if options.before:
        older = options.before.resolve()
        tools["rawlabel before"] = (older / ".venv/bin/python", older / "benchmarks/downloading/ours.py", ours)
    results: dict[str, Any] = {}
    with image_server(options.photos, options.hosts, 500) as (port, size):
        write_urls(scratch / "urls.txt", options.photos, options.hosts, port)
        for side in (256, 0):
            runs: dict[str, list[dict[str, Any]]] = {name: [] for name in tools}
            for _ in range(options.repeats):
                for name, (python, script, settings) in tools.items():
                    out = scratch / "out"
                    figures = run(python, script, scratch / "urls.txt", out, side, *settings)
                    assert figures["photos"] == options.photos, (name, figures)
                    shutil.rmtree(out)
                    print(
                        name,
                        side,
                        figures["per_second"],
                        figures["peak_megabytes"],
                        figures["cpu_seconds"],
                        flush=True,
                    )
                    del figures["memory"]
                    runs[name].append(figures)
            results["resized to 256" if side else "bytes as they come"] = {
                name: {
                    "median_images_per_second": statistics.median(one["per_second"] for one in each),
                    "median_cpu_milliseconds_an_image": statistics.median(
                        round(1000 * one["cpu_seconds"] / one["photos"], 2) for one in each
                    ),
                    "median_peak_megabytes": statistics.median(one["peak_megabytes"] for one in each),
                    "runs": each,
                }
                for name, each in runs.items()
            }
    return {
        "mean_photo_bytes": size,
        "settings": {
            name: value for name, value in vars(options).items() if name not in ("peer_venv", "before", "out")
        },
        "rows": results,
    }


def long_list(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Memory over a long list of tiny photos: the second half of the run against the first."""
    with image_server(200, options.hosts, 32) as (port, _):
        write_urls(scratch / "urls.txt", options.rows, options.hosts, port)
        figures = run(
            sys.executable,
            HERE / "downloading" / "ours.py",
            scratch / "urls.txt",
            scratch / "out",
            0,
            options.concurrency,
            options.workers,
        )
    samples = [size / 1e6 for _, size in figures.pop("memory")]
    quarters = [samples[len(samples) * i // 4 : len(samples) * (i + 1) // 4] for i in range(4)]
    return figures | {"rows": options.rows, "median_megabytes_by_quarter": [
        round(statistics.median(one), 1) for one in quarters if one]}  # fmt: skip


def _commit(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def surroundings(before: Path | None) -> dict[str, Any]:
    return {
        "commit": _commit(HERE),
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 1e9),
        "before": _commit(before) if before else None,
        "load_before": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("aiohttp", "pebble", "pillow", "opencv-python-headless")}
        | {"img2dataset": PEER.partition("==")[2]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-venv", type=Path, default=Path("build/img2dataset"))
    parser.add_argument("--before", type=Path, help="an older checkout to compare with")
    parser.add_argument("--photos", type=int, default=3000)
    parser.add_argument("--hosts", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peer-threads", type=int, default=64)
    parser.add_argument("--peer-processes", type=int, default=2)
    parser.add_argument("--rows", type=int, default=0, help="measure memory over so many tiny photos instead")
    parser.add_argument("--out", type=Path, help="JSON file; by default under benchmarks/results")
    options = parser.parse_args()
    around = surroundings(options.before)
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        measured = long_list(options, Path(folder)) if options.rows else compare(options, Path(folder))
    name = "downloader_memory.json" if options.rows else "downloader.json"
    path = options.out or HERE / "results" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"surroundings": around} | measured, indent=1, default=str) + "\n", "utf-8")
    print(path)


if __name__ == "__main__":
    main()
