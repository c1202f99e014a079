"""What a new user waits for: the first training on kept photos, the ones after it, and the demo.

Each repetition has a fresh folder with caches of its own, so nothing is kept from the one before; features that
its first training makes are there for its later ones. Seconds are those of whole commands on the clock, as a user
gives them, interpreter and imports included. Nothing else should run on the machine meanwhile.

    python benchmarks/first_minutes.py --data FLOWERS --work WORK

`FLOWERS` holds class folders under `train` and `test`. A finished repetition is kept under WORK; a stopped one
begins anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _tables import origin, parser_of, write_tables

from rawlabel.base.files import write_json
from rawlabel.judge.evaluate.finished_runs import read_run

KEPT = "repetitions.json"


@dataclass(frozen=True)
class Step:
    """One thing to wait for."""

    name: str
    text: str
    goal: float
    """Seconds that it may take, on two cores."""


STEPS = (
    Step("measured", "from kept photos to a measured classifier: `train`, then `evaluate`", 180),
    Step("again", "a second training in the same place: other wrong labels, another share of them", 15),
    Step("other seed", "a third one: the first share of wrong labels, another seed", 15),
    Step("demo", "`rawlabel demo`, which is `make demo` after set-up", 120),
)


def repetition(number: int, asked: argparse.Namespace) -> dict[str, Any]:
    """All steps in a fresh folder: the load of the machine before, and seconds and test accuracy [%] by step."""
    place = asked.work.absolute() / "repetitions" / str(number)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    load, (noise, other) = os.getloadavg()[0], asked.noise
    first, second, third = (place / "runs" / name for name in ("first", "second", "third"))
    seed = 3 * number
    seconds = {
        "train": trained(place, asked.data, first, noise, seed),
        "evaluate": timed(place, "evaluate", str(first)),
        "again": trained(place, asked.data, second, other, seed + 1),
        "other seed": trained(place, asked.data, third, noise, seed + 2),
        "demo": timed(place, "demo", *(["--per-class", str(asked.per_class)] if asked.per_class else [])),
    }
    runs = {"measured": first, "again": second, "other seed": third}
    return {
        "load": round(load, 2),
        "seconds": {"measured": round(seconds["train"] + seconds["evaluate"], 1)} | seconds,
        "accuracy": {name: accuracy_of(run) for name, run in runs.items()},
    }


def trained(place: Path, data: Path, out: Path, noise: float, seed: int) -> float:
    """Seconds of a training of the default recipe, which measures each epoch on the test photos."""
    return timed(
        place, "train", "--recipe", "transfer", "--device", "cpu", "--root", str(place),
        "--main", str(data.absolute() / "train"), "--test", str(data.absolute() / "test"),
        "--inject-noise", str(noise), "--seed", str(seed), "--outpath", str(out),
    )  # fmt: skip


def timed(place: Path, *command: str) -> float:
    """Seconds of one command in the folder, whose caches lie there, too."""
    caches = {"XDG_CACHE_HOME": str(place / "cache"), "RAWLABEL_CACHE": str(place / "cache" / "rawlabel")}
    rawlabel, began = Path(sys.executable).with_name("rawlabel"), time.perf_counter()
    subprocess.run([str(rawlabel), *command], cwd=place, env=os.environ | caches, check=True)
    return round(time.perf_counter() - began, 1)


def accuracy_of(path: Path) -> float:
    """Test accuracy [%] of the chosen epoch."""
    found = read_run(path)
    return found.test[found.selected_epoch]


def page(table: Mapping[str, Any]) -> list[str]:
    """One row a step, its goal beside its median."""
    repetitions, (noise, other) = table["repetitions"], table["noise"]
    photos, load = table["photos"], repetitions[0]["load"]
    lines = [
        f"What a new user waits for [seconds]: medians of {len(repetitions)} repetitions, each in a fresh folder "
        f"without kept features, with `--recipe transfer` on {photos['train']} photos of flowers, "
        f"{100 * noise:.0f} % of their labels made wrong ({100 * other:.0f} % in the second training), measured "
        f"on {photos['test']} clean test photos.",
        "",
        "| what | goal, at most | median | is it held? | each repetition | test accuracy [%] |",
        "|---|--:|--:|---|---|---|",
    ]
    for step in STEPS:
        each = [one["seconds"][step.name] for one in repetitions]
        median = statistics.median(each)
        accuracies = ", ".join(f"{one['accuracy'][step.name]:.2f}" for one in repetitions if step.name != "demo")
        lines.append(
            f"| {step.text} | {step.goal:.0f} | {median:.1f} | {'yes' if median <= step.goal else 'no'} | "
            f"{', '.join(f'{one:.1f}' for one in each)} | {accuracies or '-'} |"
        )
    evaluated = statistics.median(one["seconds"]["evaluate"] for one in repetitions)
    if table["per_class"]:
        lines += ["", f"The demo had {table['per_class']} photos a class: this is a try and no measurement of it."]
    return [
        *lines,
        "",
        f"- of the first row, `evaluate` takes {evaluated:.1f}; `train` measures each epoch on the test photos",
        f"- {table['cores']} cores; a load of {load:.2f} before the first repetition",
        "- photos that the system has read before come from its memory",
    ]


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Measure, and write table.json and table.md."""
    parser = parser_of(__doc__, [0.4, 0.2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--per-class", type=int, help="photos a class of the demo, for a try")
    asked = parser.parse_args()
    if len(asked.noise) != 2 or asked.repeats < 1:
        parser.error("--noise: takes two shares, of the first and of the second training; --repeats: at least 1")
    asked.work.mkdir(parents=True, exist_ok=True)
    path = asked.work / KEPT
    repetitions = json.loads(path.read_text("utf-8")) if path.exists() else []
    command = f"python benchmarks/first_minutes.py --data FLOWERS --work WORK --repeats {asked.repeats}"
    while len(repetitions) < asked.repeats:
        repetitions.append(repetition(len(repetitions), asked))
        write_json(path, repetitions)
    table = origin(command + (f" --per-class {asked.per_class}" if asked.per_class else ""))
    table |= {
        "cores": cores(), "noise": asked.noise, "per_class": asked.per_class, "repetitions": repetitions,
        "photos": {part: len(list((asked.data / part).glob("*/*"))) for part in ("train", "test")},
        "goals": {step.name: step.goal for step in STEPS},
    }  # fmt: skip
    write_tables(asked.work, table, page(table))


if __name__ == "__main__":
    main()
