"""A small result tree in the published layout, whose answers are known by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

CLASS_IDS = ["n01", "n02", "n03"]
MATRICES = {
    "flickr": [[0, 8, 2], [1, 9, 0], [0, 0, 10]],
    "imagenet": [[9, 1, 0], [2, 8, 0], [0, 1, 9]],
}
"""Ten test images a class; the raw model gets no image of the first class right."""


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf-8")


def log_entry(epoch: int, train: float, test: float | None, **more: object) -> dict[str, object]:
    """One epoch of a log.json."""
    measured = None if test is None else {"acc1": test, "acc5": 99.5}
    return {"epoch": epoch, "train": {"acc1": train, "acc5": 99.0}, "test": measured, **more}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write_confusions(folder: Path, matrix: list[list[int]], class_ids: list[str] = CLASS_IDS) -> None:
    """Write the confmat.npy and corr.json of one evaluation."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "confmat.npy", np.array(matrix))
    write_json(folder / "corr.json", {one: matrix[i][i] for i, one in enumerate(class_ids)})


def write_class_index(folder: Path, class_ids: list[str] = CLASS_IDS) -> None:
    write_json(folder / "idx2cls.json", {str(index): one for index, one in enumerate(class_ids)})


def write_published_tree(root: Path) -> Path:
    """Write `results` beside `metadata`, as the authors' repository has them; return `results`."""
    results, metadata = root / "results", root / "metadata"
    for num_classes, shift in ((100, 0.0), (135, -10.0)):
        raw = [log_entry(0, 20, 60 + shift), log_entry(1, 50, 80 + shift), log_entry(2, 60, 75.5 + shift)]
        write_json(results / f"flickr_cls{num_classes}" / "log.json", raw)
        clean = [log_entry(0, 30, 50 + shift), log_entry(1, 85, 70.25 + shift)]
        write_json(results / f"imagenet_cls{num_classes}" / "log.json", clean)
    for model, matrix in MATRICES.items():
        write_confusions(results / f"{model}_conf", matrix)
        counts = {one: matrix[index][index] for index, one in enumerate(CLASS_IDS)}
        write_json(results / f"{model}_err" / "corr.json", counts)
    write_class_index(metadata)
    write_json(metadata / "tiny_classes_to_search.json", {"n01": ["cricket", "insect"], "n02": ["lemon"]})
    (metadata / "num_imgs_per_class.txt").write_text("wnid num\nn02 500\nn01 70\nn03 600\n", "utf-8")
    (metadata / "num_imgs_per_class_excluded.txt").write_text("idx num\n1 70\n", "utf-8")
    return results
