"""Train the runs that `cifar10n_judge.py` reads: small networks on the first photos of CIFAR-10N, by raw labels.

    python benchmarks/label_evidence/cifar10n_runs.py CIFAR10N_FOLDER WORK_FOLDER

Needs minutes for each run on one core. A run that was stopped goes on; a finished one stays. The clean labels are
not read here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import atomic_write
from rawlabel.config import TrainConfig
from rawlabel.training.around.holdout import data_of_run, predict_holdout
from rawlabel.training.stage import train

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NOISES = {"aggregate": "aggregate_label", "random1": "random_label1", "worst": "worst_label"}


def main() -> None:
    """Write the class folders and train on them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--model", default="cifar_resnet8")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--noises", nargs="+", default=list(NOISES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for seed in options.seeds:
        for noise in options.noises:
            root = options.work / noise
            if not (root / "candidate").is_dir():
                write_class_folders(options.data, root / "candidate", NOISES[noise], options.images)
            run = train(
                TrainConfig(
                    root=root,
                    main="candidate",
                    model=options.model,
                    image_size=32,
                    epochs=options.epochs,
                    decay_epochs=max(1, options.epochs * 2 // 5),
                    batch_size=64,
                    lr=0.1,
                    weight_decay=5e-4,
                    holdout=1 / 3,
                    seed=seed,
                    outpath=root / f"{options.model}-{seed}",
                    device="cpu",
                    workers=1,
                )
            )
            keep_predictions(run)


def keep_predictions(run: RunDirectory) -> None:
    """Write what the run says of its holdout, and the names of its training photos, for the judge."""
    output, data = predict_holdout(run, "cpu"), data_of_run(run)
    with atomic_write(run.path / "holdout.npz") as stream:
        np.savez(
            stream,
            class_ids=output.class_ids,
            photos=output.photos,
            labels=output.labels,
            logits=output.logits,
            features=output.features,
            train_photos=data.train.names(),
            train_labels=data.train.labels,
        )


def write_class_folders(data: Path, folder: Path, column: str, images: int) -> None:
    """Write the first `images` photos as <raw label>/<row>.jpg."""
    table = pq.read_table(data / "train.parquet", columns=["image", column]).slice(0, images)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    for row, (image, label) in enumerate(zip(table["image"].to_pylist(), table[column].to_pylist(), strict=True)):
        (folder / CLASSES[label] / f"{row:05d}.jpg").write_bytes(image["bytes"])


if __name__ == "__main__":
    main()
