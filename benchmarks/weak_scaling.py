"""Weak scaling of `rawlabel train` on this machine: images a second of N processes, each with as much work as one.

Every process has the same number of images in a step and in an epoch, so ideally N processes make N times the
images a second of one. The images are generated, the first epoch does not count, the runs are interleaved, and the
medians are printed with the machine's load.

    python benchmarks/weak_scaling.py --processes 1 2 4 8 --out benchmarks/results/weak_scaling.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from rawlabel.artifacts.run_directory import describe_environment

CLASSES = 10


def make_photos(folder: Path, count: int, side: int) -> None:
    """JPEG files of smooth random textures, about as large as photos of that side [pixels] are."""
    rng = np.random.default_rng(0)
    for index in range(count):
        path = folder / f"class{index % CLASSES}" / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (side // 8, side // 6, 3), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (side * 4 // 3, side), interpolation=cv2.INTER_CUBIC))


def images_per_second(processes: int, data: Path, run: Path, arguments: argparse.Namespace) -> float:
    """Median over the epochs after the first."""
    flags = {
        "root": data, "main": "photos", "outpath": run, "model": arguments.model,
        "image-size": arguments.image_size, "batch-size": arguments.batch * processes,
        "train-size": arguments.images * processes, "epochs": arguments.epochs, "device": arguments.device,
        "workers": arguments.workers, "seed": 0, "holdout": 0, "stop": "last_epoch", "compile": "off",
        "probe-images": CLASSES,
    }  # fmt: skip
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["-m", "rawlabel", "train"]
    command += [str(word) for name, value in flags.items() for word in (f"--{name}", value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    lines = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    return statistics.median(line["images_per_second"] for line in lines if line.get("epoch", 0) > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=128, help="images in a step, of each process")
    parser.add_argument("--images", type=int, default=5120, help="images in an epoch, of each process")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="threads that decode, of each process")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    speeds: dict[int, list[float]] = {count: [] for count in arguments.processes}
    with tempfile.TemporaryDirectory() as folder:
        make_photos(Path(folder) / "photos", arguments.images * max(speeds), arguments.image_size * 5 // 4)
        for number in range(arguments.runs):
            for count in speeds:
                run = Path(folder) / f"run-{number}-{count}"
                speeds[count].append(images_per_second(count, Path(folder), run, arguments))
    one = statistics.median(speeds[min(speeds)]) / min(speeds)
    rows = [
        {"processes": count, "images_per_second": found, "efficiency": statistics.median(found) / count / one}
        for count, found in speeds.items()
    ]
    for row in rows:
        print(
            f"{row['processes']} processes: {row['images_per_second']} images/s, {row['efficiency']:.2f} a process"
        )
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if arguments.out:
        settings = {key: value for key, value in vars(arguments).items() if key != "out"}
        result = {"settings": settings, "environment": describe_environment().as_json(), "rows": rows}
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
