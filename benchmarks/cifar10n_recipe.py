"""The recipe `transfer` itself on all of CIFAR-10N: its choice of a head included, and suspicion of all labels.

Each set of labels and seed is one training on views of 128 pixels, with the recipe's other settings; the first
seed of each noisy set has its labels suspected by agreement. The truth is opened for the judgement alone.

    python benchmarks/cifar10n_recipe.py --data CIFAR10N --work WORK --seeds 5

`CIFAR10N` holds train.parquet and test.parquet. Rows, runs and features are kept under WORK; a stopped call goes
on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from _tables import commits_of_seeds, origin, said, write_tables

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory, source_commit
from rawlabel.base.files import read_json, write_json
from rawlabel.config import load_training
from rawlabel.judge.evaluate.finished_runs import read_run
from rawlabel.judge.evaluate.label_judgement import judge_suspicion
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.judge.label_evidence.by_agreement import suspicion_by_agreement
from rawlabel.training.stage import train

LABELS = {
    "clean": "clean_label",
    "aggregate": "aggregate_label",
    "random1": "random_label1",
    "worst": "worst_label",
}
"""Sets of labels by their column."""
ENCODER = "efficientnet_lite0@128"
"""The packaged encoder, and the side of its views [pixels] of images of 32."""


def row_of(data: Path, work: Path, labels: str, seed: int, is_judged: bool) -> dict[str, Any]:
    """One training; accuracies in percent. Where `is_judged`, how well suspicion finds its wrong labels."""
    out = work / "runs" / f"{labels}-{seed}"
    given = {
        "recipe": "transfer", "encoder": ENCODER, "root": work, "main": str(data / "train.parquet"),
        "label_column": LABELS[labels], "test": str(data / "test.parquet"), "test_label_column": "clean_label",
        "seed": seed, "device": "cpu", "outpath": out,
    }  # fmt: skip
    started = time.monotonic()
    run = train(load_training(None, given), make_epoch_evaluator)
    seconds = time.monotonic() - started
    found = read_run(out)
    choice = Run(out).head_choice
    assert choice is not None
    return {
        "labels": labels, "seed": seed, "head": choice.best.text, "selected_epoch": found.selected_epoch,
        "selected": found.test[found.selected_epoch], "last": found.test[found.last_epoch],
        "oracle": found.test[found.oracle_epoch], "seconds": seconds,
        "suspicion": suspicion_of(run, data, labels) if is_judged else None, "commit": source_commit(),
    }  # fmt: skip


def suspicion_of(run: RunDirectory, data: Path, labels: str) -> dict[str, float]:
    """How well suspicion finds the wrong labels among all images of a run: area under the ROC curve and more."""
    columns = pq.read_table(data / "train.parquet", columns=["clean_label", LABELS[labels]])
    is_wrong = columns["clean_label"].to_numpy() != columns[LABELS[labels]].to_numpy()
    evidence = suspicion_by_agreement(run, "cpu")
    assert evidence is not None
    rows = np.array([int(name) for name in evidence.photos])
    return judge_suspicion(evidence.suspicion.score, is_wrong[rows]) | {"images": len(rows)}


def right_of(data: Path, labels: str) -> float:
    """How many of the labels are the clean ones [percent]."""
    columns = pq.read_table(data / "train.parquet", columns=sorted({"clean_label", LABELS[labels]}))
    return 100 * float(np.mean(columns["clean_label"].to_numpy() == columns[LABELS[labels]].to_numpy()))


def page(table: dict[str, Any]) -> list[str]:
    """A row a set of labels, and one a training."""
    lines = [
        "Test top-1 accuracy [%] on the 10,000 clean test images of CIFAR-10 by `--recipe transfer --encoder",
        f"{ENCODER}` on all 50,000 training images, the head chosen by raw labels; mean and 95 % interval",
        "(Student's t) over the seeds. The oracle epoch is the best on the test set. AUROC: of suspicion by",
        "agreement, for the wrong labels among all images, seed 0.",
        "",
        "| labels | seeds | chosen epoch | last | oracle epoch | AUROC of suspicion | seconds, features kept |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    rows: list[dict[str, Any]] = table["rows"]
    for labels in (one for one in LABELS if any(row["labels"] == one for row in rows)):
        own = [row for row in rows if row["labels"] == labels]
        judged = next((f"{row['suspicion']['auroc']:.4f}" for row in own if row["suspicion"]), "-")
        cells = (said([row[key] for row in own], 2) for key in ("selected", "last", "oracle"))
        seeds = ", ".join(str(row["seed"]) for row in own)
        seconds = sorted(row["seconds"] for row in own)[len(own) // 2]
        lines.append(f"| {labels} | {seeds} | {' | '.join(cells)} | {judged} | {seconds:.0f} |")
    lines += [
        "",
        "| labels | seed | head that raw labels chose | epoch | at it | last | oracle |",
        "|---|--:|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        accuracies = " | ".join(f"{row[key]:.2f}" for key in ("selected", "last", "oracle"))
        lines.append(
            f"| {row['labels']} | {row['seed']} | {row['head']} | {row['selected_epoch']} | {accuracies} |"
        )
    return [*lines, ""]


def main() -> None:
    """Train what lacks, and write table.json and table.md after each training."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--labels", nargs="+", choices=list(LABELS), default=list(LABELS))
    asked = parser.parse_args()
    data, work = asked.data.absolute(), asked.work.absolute()
    path = work / "rows.json"
    rows: list[dict[str, Any]] = read_json(path, "rows") if path.exists() else []
    for seed in range(asked.seeds):
        for labels in asked.labels:
            if not any((row["labels"], row["seed"]) == (labels, seed) for row in rows):
                rows.append(row_of(data, work, labels, seed, seed == 0 and labels != "clean"))
                write_json(path, rows)
            command = "python benchmarks/cifar10n_recipe.py --data CIFAR10N --work WORK"
            order = list(LABELS)
            shown = [row | {"raw_labels_right": right_of(data, row["labels"])} for row in rows]
            shown.sort(key=lambda row: (order.index(row["labels"]), row["seed"]))
            table = origin(f"{command} --seeds {seed + 1}") | {"commits": commits_of_seeds(rows), "rows": shown}
            write_tables(work, table, page(table))


if __name__ == "__main__":
    main()
