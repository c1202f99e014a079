"""How near features come to what the encoder's bare network can do, in images a second.

The ceiling is the packaged network by itself on normalized views in memory, in the best of the ways tried: fp32 or
bf16, one call on all threads or parts of the views on a thread each, and parts of several sizes. Against it stand
what rawlabel does with views in memory, and all that it does with photos on a disk: reading, decoding, cutting the
view, encoding, writing. Decoding is measured alone, too, as the ceiling has none of it. Each repetition does all
in turn, so that other work on the machine strikes all.

    python benchmarks/encoder_ceiling.py --data FLOWERS --work WORK

`FLOWERS` holds class folders under `train`. With `--device cuda` the GPU's rows join those in WORK.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _tables import commits_of, origin, write_tables
from torch import Tensor

from rawlabel.base import processes
from rawlabel.base.progress import show
from rawlabel.images.decoding import read_pixels
from rawlabel.images.image_source import ImageFiles
from rawlabel.models.device import choose_device, synchronize
from rawlabel.models.encoder import PACKAGED, Encoder, load_encoder
from rawlabel.models.networks.normalization import Normalization, Normalizer
from rawlabel.models.transfer.encoding import BATCH, Encoding
from rawlabel.models.transfer.store import FeatureStore

SIDES = (288, 224)
GOAL = 0.9
"""Share of the ceiling that features shall be computed at."""
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
TOGETHER, APART = "one call on all threads", "parts on a thread each"
WAYS = [(TOGETHER, part) for part in (16, 64)] + [(APART, part) for part in (4, 8, 16, 32)]
GPU_WAYS = [(TOGETHER, part) for part in (64, 256)]
BARE, ENCODING, ENCODING_BEFORE = "bare network", "views to features", "views to features, as before"
DECODING, STORE, STORE_BEFORE = "photos to views", "photos to kept features", "photos to kept features, as before"
TEXTS = {
    BARE: "the bare network on normalized views in memory: the ceiling",
    ENCODING: "`Encoding`: views in memory to features",
    ENCODING_BEFORE: "the same with a batch in one part a thread, as before",
    DECODING: "reading, decoding and cutting the view alone",
    STORE: "`FeatureStore`: photos on a disk to kept features",
    STORE_BEFORE: "the same with a batch in one part a thread, as before",
}
_TRIED = {"cpu": 64, "cuda": 1024}
"""Most images that a way is tried on, by device."""
Way = tuple[str, str, int]
"""Precision, how the cores are used, images in a part."""


class WholeParts(Encoding):
    """An encoding as it was: each thread computes its share of a batch at once."""

    def _parts(self, views: Tensor) -> Sequence[Tensor]:
        return views.chunk(max(1, min(self._threads, len(views))))


class Bench:
    """An encoder on a device, photos, and their views in memory."""

    def __init__(self, side: int, device: torch.device, photos: Sequence[Path], work: Path) -> None:
        self.encoder: Encoder = load_encoder(f"{PACKAGED}@{side}")
        self.device, self._folder, self.source = device, work / "features", ImageFiles(photos)
        self.views = torch.from_numpy(np.stack(self.decoded()))
        normalizer = Normalizer(side, device, Normalization(self.encoder.mean, self.encoder.std))
        self.images = torch.cat([normalizer(part) for part in self.views.split(BATCH)])
        self._network = self.encoder.network.to(device)

    def decoded(self) -> list[np.ndarray]:
        """The view of each photo."""
        with ThreadPoolExecutor(processes.own_cores()) as pool:
            rows = range(len(self.source))
            return list(pool.map(lambda row: self.encoder.view(read_pixels(self.source, row, None)), rows))

    def bare(self, way: Way, count: int | None = None) -> None:
        """The network's features of all images, or of the first `count`."""
        precision, how, part = way
        parts = self.images[:count].split(part)
        if how == TOGETHER:
            for images in parts:
                self.compute(images, precision)
            return
        with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            list(pool.map(lambda images: self.compute(images, precision), parts))

    @torch.inference_mode()
    def compute(self, images: Tensor, precision: str) -> Tensor:
        """The network's features of normalized images."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            return self._network(images)

    def encoded(self, encoding: Encoding) -> None:
        """Features of the views, batch by batch as they are made."""
        for batch in self.views.split(BATCH):
            encoding(batch)

    def kept(self, encoding: Encoding) -> None:
        """Features of the photos, in a folder where none are yet."""
        shutil.rmtree(self._folder, ignore_errors=True)
        FeatureStore(self._folder, encoding).features(self.source, "features")

    def measured(self, work: Callable[[], object], count: int | None = None) -> dict[str, float]:
        """Images a second, and milliseconds of the cores an image, of a work on all of them or on `count`."""
        synchronize(self.device)
        began, cores = time.perf_counter(), time.process_time()
        work()
        synchronize(self.device)
        seconds, cores = time.perf_counter() - began, time.process_time() - cores
        count = count or len(self.source)
        return {"a_second": round(count / seconds, 2), "core_ms": round(1000 * cores / count, 2)}


def ways_of(bench: Bench, trials: int) -> list[dict[str, Any]]:
    """Each way to run the bare network, with images a second in each trial."""
    ways = GPU_WAYS if bench.device.type == "cuda" else WAYS
    found = [
        {"precision": precision, "how": how, "part": part, "a_second": []}
        for precision in PRECISIONS for how, part in ways
    ]  # fmt: skip
    tried = min(_TRIED[bench.device.type], len(bench.images))
    for precision in PRECISIONS:
        bench.compute(bench.images[:2], precision)
    for _ in range(trials):
        for one in found:
            way = (one["precision"], one["how"], one["part"])
            speed = bench.measured(lambda way=way: bench.bare(way, tried), tried)
            one["a_second"].append(speed["a_second"])
    return found


def side_of(bench: Bench, trials: int, repeats: int) -> dict[str, Any]:
    """All of one side of views: ways of the bare network, the best one, and what is measured beside it."""
    ways = ways_of(bench, trials)
    best = max(ways, key=lambda one: statistics.median(one["a_second"]))
    way = (best["precision"], best["how"], best["part"])
    now, before = (kind(bench.encoder, bench.device, PRECISIONS[way[0]]) for kind in (Encoding, WholeParts))
    works: dict[str, Callable[[], object]] = {
        BARE: lambda: bench.bare(way), ENCODING: lambda: bench.encoded(now), DECODING: bench.decoded,
        STORE: lambda: bench.kept(now),
    }  # fmt: skip
    if bench.device.type == "cpu":
        works |= {ENCODING_BEFORE: lambda: bench.encoded(before), STORE_BEFORE: lambda: bench.kept(before)}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in TEXTS if name in works}
    for encoding in (now, before):
        encoding(bench.views[:BATCH])  # to warm up
    for _ in range(repeats):
        for name in rows:
            rows[name].append(bench.measured(works[name]))
        print(bench.encoder.name, {name: each[-1:] for name, each in rows.items()}, flush=True)
    return {"ways": ways, "best": list(way), "rows": rows}


def best_schedule(side: Mapping[str, Any], device: str, cores: int) -> Iterator[tuple[float, float]]:
    """The most photos a second that decoding and the bare network allow together, by repetition.

    By the cores' seconds of both, spread evenly over the cores, and by the clock, each having all cores in turn.
    A GPU computes while the processor decodes, so there the slower one is the limit.
    """
    for bare, decoding in zip(side["rows"][BARE], side["rows"][DECODING], strict=True):
        if device == "cuda":
            yield (min(bare["a_second"], decoding["a_second"]),) * 2
        else:
            by_cores = 1000 * cores / (bare["core_ms"] + decoding["core_ms"])
            yield by_cores, 1 / (1 / bare["a_second"] + 1 / decoding["a_second"])


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and the least and the most where there are several."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def lines_of(side: int, found: Mapping[str, Any], device: str, cores: int) -> Iterator[str]:
    """The rows of one side."""
    rows, ceiling = found["rows"], [one["a_second"] for one in found["rows"][BARE]]
    schedules = list(best_schedule(found, device, cores))
    for name, each in rows.items():
        rate = [one["a_second"] for one in each]
        against = [one / most for one, most in zip(rate, ceiling, strict=True)]
        fair = core = "-"
        if name in (STORE, STORE_BEFORE):
            fair = spread([one / most for one, (_, most) in zip(rate, schedules, strict=True)], 2)
            needed = [a["core_ms"] + b["core_ms"] for a, b in zip(rows[BARE], rows[DECODING], strict=True)]
            core = spread([most / one["core_ms"] for one, most in zip(each, needed, strict=True)], 2)
            core = "-" if device == "cuda" else core
        yield (
            f"| {side} | {TEXTS[name]} | {spread(rate, 1)} | {spread(against, 2)} | {fair} | {core} | "
            f"{statistics.median(one['core_ms'] for one in each):.1f} |"
        )
    by_cores = [one for one, _ in schedules]
    share = spread([one / most for one, most in zip(by_cores, ceiling, strict=True)], 2)
    yield (
        f"| {side} | best schedule of both on cores that do nothing else, computed from the cores' time | "
        f"{spread(by_cores, 1)} | {share} | - | - | - |"
    )


def page(table: Mapping[str, Any]) -> list[str]:
    """Each device's rows, whether the goal is held, and the ways that were tried."""
    lines = [
        f"Features against what the bare network of `{PACKAGED}` can do: medians, and the least and the most, of "
        f"{table['repeats']} repetitions on {table['photos']} photos of flowers. The goal is {table['goal']} of "
        "the ceiling.",
        "",
        "| side of the views | what | images a second | share of the ceiling | share of the best schedule | the "
        "same by the cores' time | core milliseconds an image |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for device in ("cpu", "cuda"):
        known = table["devices"].get(device)
        if known is None:
            lines.append(f"| 288, 224 | on {'an NVIDIA GPU' if device == 'cuda' else 'a processor'} | "
                         "not yet measured | | | | |")  # fmt: skip
            continue
        for side, found in known["sides"].items():
            lines += lines_of(int(side), found, device, known["cores"])
    lines += [
        "",
        "- share of the best schedule: of photos a second by the clock, if first all were decoded and then all "
        "encoded, each on all cores; on a GPU, which computes meanwhile, of the slower of the two",
        "- by the cores' time: what decoding and the bare network take of it, as a share of what the row takes, "
        "which other work on the machine disturbs least",
    ]
    for device, known in table["devices"].items():
        held = [f"{goal_of(found)} with views of {side} pixels" for side, found in known["sides"].items()]
        lines += [
            f"- {device}: {known['name']}, {known['cores']} cores, a load of {known['load']:.2f} before; views to "
            f"features, against the goal: {', '.join(held)}",
        ]
    return [*lines, *ways_tried(table)]


def goal_of(found: Mapping[str, Any]) -> str:
    """Whether what is made of views in memory is near enough to the ceiling."""
    pairs = zip(found["rows"][ENCODING], found["rows"][BARE], strict=True)
    share = statistics.median(one["a_second"] / most["a_second"] for one, most in pairs)
    return "held" if share >= GOAL else "missed"


def ways_tried(table: Mapping[str, Any]) -> Iterator[str]:
    """The bare network in each way, of which the fastest is the ceiling."""
    yield from ("", "The bare network in each way that was tried; the fastest in bold is the ceiling above.", "")
    yield from (
        "| device | side of the views | precision | how | at once | images a second |",
        "|---|--:|---|---|--:|--:|",
    )
    for device, known in table["devices"].items():
        for side, found in known["sides"].items():
            for one in found["ways"]:
                way, rate = [one["precision"], one["how"], one["part"]], spread(one["a_second"], 1)
                said = f"**{rate}**" if way == found["best"] else rate
                yield f"| {device} | {side} | {way[0]} | {way[1]} | {way[2]} | {said} |"
    yield ""


def main() -> None:
    """Measure, and write table.json and table.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--photos", type=int, default=320)
    parser.add_argument("--trials", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    device = choose_device(asked.device)
    paths = sorted((asked.data / "train").glob("*/*.jpg"))
    photos = paths[:: max(1, len(paths) // asked.photos)][: asked.photos]
    show(False)
    command = (
        f"python benchmarks/encoder_ceiling.py --data FLOWERS --work WORK --device {asked.device} "
        f"--photos {asked.photos} --trials {asked.trials} --repeats {asked.repeats}"
    )
    path, load = asked.work / "table.json", round(os.getloadavg()[0], 2)
    sides = {}
    for side in SIDES:
        sides[str(side)] = side_of(Bench(side, device, photos, asked.work), asked.trials, asked.repeats)
    shutil.rmtree(asked.work / "features", ignore_errors=True)
    table = origin(command)
    devices = json.loads(path.read_text("utf-8"))["devices"] if path.exists() else {}
    devices[asked.device] = {
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else table["processor"],
        "cores": processes.own_cores(), "load": load, "commit": table["commit"], "sides": sides,
    }  # fmt: skip
    table |= {
        "goal": GOAL, "photos": len(photos), "repeats": asked.repeats, "devices": devices,
        "commits": commits_of((one["commit"], name) for name, one in devices.items()),
    }  # fmt: skip
    write_tables(asked.work, table, page(table))


if __name__ == "__main__":
    main()
