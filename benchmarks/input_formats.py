"""The same images trained from every input format: the logs should be equal to the last digit.

    python -m benchmarks.input_formats --data ../shared/data --out results/measured/input_formats

It writes a part of CIFAR-10N (PNG bytes, human labels) and the Flickr flowers (JPEG bytes, keywords as labels) in
every format that `rawlabel train` reads, trains a small network from each with one seed, and notes the accuracies
and whether the logs are equal. Formats that hold pixels of one size cannot hold the flowers: they are left out.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.helpers.input_writers import WRITERS

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.files import write_json
from rawlabel.config import TrainConfig
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.training.stage import train

ONE_SIZE = {"npz", "torchvision_dataset"}
"""Formats of arrays, in which all images have one size."""
SETTINGS: dict[str, dict[str, Any]] = {
    "cifar10n": {"image_size": 32, "augment": "crop_flip"},
    "flowers": {"image_size": 48, "augment": "resized_crop"},
}
COMMON: dict[str, Any] = {
    "model": "small_convnet",
    "num_planes": 16,
    "epochs": 4,
    "batch_size": 64,
    "lr": 0.2,
    "lr_schedule": "cosine",
    "holdout": 0.0,
    "stop": "last_epoch",
    "seed": 0,
}


def main() -> None:
    """Train from each format and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with cifar10n/ and flowers/")
    parser.add_argument("--out", type=Path, default=Path("results/measured/input_formats"))
    options = parser.parse_args()
    data = options.data.resolve()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, folders in {
            "cifar10n": unpacked_cifar(data / "cifar10n", Path(scratch)),
            "flowers": {part: data / "flowers" / part for part in ("train", "test")},
        }.items():
            rows += compare(name, folders, Path(scratch) / name)
    write_table(rows, options.out)


def unpacked_cifar(source: Path, scratch: Path) -> dict[str, Path]:
    """Class folders of 5,000 training images by a human label, and of 2,000 test images by the true one."""
    folders = {}
    for part, column, count in (("train", "random_label1", 5000), ("test", "clean_label", 2000)):
        folders[part] = scratch / "cifar10n_folders" / part
        whole = pq.read_table(source / f"{part}.parquet")
        table = whole.take(
            np.arange(0, len(whole), len(whole) // count)
        )  # the test images lie in the order of classes
        images, labels = table["image"].to_pylist(), table[column].to_pylist()
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folders[part] / str(label) / f"{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image["bytes"])
    return folders


def compare(name: str, folders: dict[str, Path], scratch: Path) -> list[dict[str, Any]]:
    """A row for each format: accuracies, and whether its log is that of class folders."""
    rows, reference = [], None
    for input_name, writer in sorted(WRITERS.items()):
        if writer is None or (name == "flowers" and input_name in ONE_SIZE):
            continue
        root = scratch / input_name
        root.mkdir(parents=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HF_DATASETS_CACHE", str(scratch / "cache"))
            main, test = writer(root, folders, patch)
            config = TrainConfig(**COMMON, **SETTINGS[name], root=root, main=main, test=test, outpath=root / "run")
            log = train(config, make_epoch_evaluator).log()
        reference = reference or log
        rows.append({
            "data": name, "input": input_name, "epochs": len(log),
            "train_accuracy": log[-1]["train"]["acc1"], "test_accuracy": log[-1]["test"]["acc1"],
            "log_equals_class_folders": log == reference,
        })  # fmt: skip
    return rows


def write_table(rows: list[dict[str, Any]], out: Path) -> None:
    """`table.json`, and `table.md` made of it."""
    where = describe_environment().as_json()
    facts = {key: where[key] for key in ("commit", "processor", "python", "packages")}
    write_json(out / "table.json", {"command": "python -m benchmarks.input_formats --data DATA", **facts,
                                    "settings": {name: COMMON | own for name, own in SETTINGS.items()},
                                    "rows": rows})  # fmt: skip
    lines = [
        "# The same images from every input format",
        "",
        "One small network, one seed, four epochs: enough to see whether the formats differ, not how good a "
        "network can be. Nothing is held out: the formats name images differently, and so would "
        "hold out others. Accuracies after the last epoch [%].",
        "",
        "| data | input | training, raw labels | test | log equal to that of class folders |",
        "|---|---|--:|--:|---|",
        *(
            f"| {row['data']} | `{row['input']}` | {row['train_accuracy']:.2f} | {row['test_accuracy']:.2f} "
            f"| {'yes' if row['log_equals_class_folders'] else 'NO'} |"
            for row in rows
        ),
        "",
        f"Commit {where['commit']}, {where['processor']}; `python -m benchmarks.input_formats --data DATA`.",
        "",
        "A manifest is left out: its images are those that `rawlabel collect` brought, so it cannot hold these.",
    ]
    (out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
