"""The recipe `finetune` on flowers with labels made wrong uniformly: its gain on the head alone, and its time.

Each seed is one `rawlabel train --recipe finetune` and one `rawlabel evaluate`, as a user gives them, so wrong
labels and what is held out are those of `results/measured/flowers_choice` with the same seed. Seconds are those of
the whole command on the clock, with the choice of the head and what is measured at the end, of a run that was not
stopped on the way.

    python benchmarks/flowers_finetuning.py --data FLOWERS --work WORK --seeds 10 11 12 13 14 --noise 0.4

`FLOWERS` holds class folders under `train` and `test`. What is measured is kept under WORK; a stopped run goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from _tables import origin, parser_of, said, write_tables

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import write_json
from rawlabel.judge.evaluate.finished_runs import read_run

CHOICES = ("frozen", "averaged", "fine-tuned")
KEPT = "seeds.json"


def measured(data: Path, work: Path, noise: float, seed: int) -> dict[str, Any]:
    """Train and evaluate with one seed, and say what came out [percent, seconds]."""
    out = work / "runs" / f"{noise}-{seed}"
    is_new, began = not RunDirectory(out).log(), time.perf_counter()
    rawlabel(
        "train", "--root", str(data), "--main", "train", "--test", "test", "--inject-noise", str(noise),
        "--seed", str(seed), "--recipe", "finetune", "--outpath", str(out),
    )  # fmt: skip
    seconds = time.perf_counter() - began
    rawlabel("evaluate", str(out))
    finished = read_run(out)
    choice = json.loads((out / "weights_choice.json").read_text())
    return {
        "noise": noise,
        "seed": seed,
        "seconds": round(seconds) if is_new else None,
        "chosen": choice["chosen"],
        **{name: choice["candidates"][name]["test_accuracy"] for name in CHOICES},
        "selected_epoch": finished.selected_epoch,
        "selected": finished.test[finished.selected_epoch],
        "last": finished.test[max(finished.test)],
        "oracle": max(finished.test.values()),
    }


def rawlabel(*command: str) -> None:
    """One command, as a user gives it."""
    subprocess.run([str(Path(sys.executable).with_name("rawlabel")), *command], check=True)


def page(table: dict[str, Any]) -> list[str]:
    """One row a share of wrong labels, and one a seed."""
    runs = table["runs"]
    lines = [
        "Test top-1 accuracy [%] on 736 clean test photos of flowers by `--recipe finetune`: the frozen encoder "
        "with its head, the fine-tuned weights and the mean of both, of which held-out raw labels choose; mean "
        "and 95 % interval (Student's t) over the seeds. The oracle is the best epoch on the test set.",
        "",
        "| wrong labels | seeds | frozen | averaged | fine-tuned | chosen by raw labels | last epoch | oracle |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for noise in sorted({one["noise"] for one in runs}):
        own = [one for one in runs if one["noise"] == noise]
        means = (said([one[name] for one in own], 1) for name in (*CHOICES, "selected", "last", "oracle"))
        seeds = ", ".join(str(one["seed"]) for one in own)
        lines.append(f"| {100 * noise:.0f} % | {seeds} | {' | '.join(means)} |")
    lines += [
        "",
        "| wrong labels | seed | weights | epoch | frozen | averaged | fine-tuned | chosen | oracle | minutes |",
        "|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in runs:
        cells = [one[name] for name in (*CHOICES, "selected", "oracle")]
        minutes = "not measured" if one["seconds"] is None else f"{one['seconds'] / 60:.1f}"
        lines.append(
            f"| {100 * one['noise']:.0f} % | {one['seed']} | {one['chosen']} | {one['selected_epoch']} | "
            f"{' | '.join(f'{cell:.2f}' for cell in cells)} | {minutes} |"
        )
    return [
        *lines,
        "",
        "- minutes are of the whole command, on two cores; features that were kept before are not made again",
    ]


def main() -> None:
    """Measure, and write table.json and table.md."""
    parser = parser_of(__doc__, [0.4])
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    asked = parser.parse_args()
    path = asked.work / KEPT
    runs = json.loads(path.read_text()) if path.exists() else []
    for seed in asked.seeds:
        for noise in asked.noise:
            if not any((one["noise"], one["seed"]) == (noise, seed) for one in runs):
                runs.append(measured(asked.data.absolute(), asked.work.absolute(), noise, seed))
                write_json(path, runs)
            table = origin("python benchmarks/flowers_finetuning.py --data FLOWERS --work WORK --noise 0.4")
            table["runs"] = sorted(runs, key=lambda one: (one["noise"], one["seed"]))
            write_tables(asked.work, table, page(table))


if __name__ == "__main__":
    main()
