"""Train until wrong labels are memorized, and count which labels are fitted when.

    python benchmarks/label_evidence/memorizing_run.py CIFAR10N_FOLDER WORK_FOLDER OUT.json

Few photos, no augmentation and no weight decay: what early stopping is to prevent. Clean labels are opened after
the training, for the count.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pyarrow.parquet as pq
import torch
from _provenance import provenance
from cifar10n_runs import CLASSES, NOISES, write_class_folders

from rawlabel.base.files import write_json
from rawlabel.config import TrainConfig
from rawlabel.judge.evaluate.fit_curves import write_fit_curves
from rawlabel.training.stage import train

NOISE, IMAGES, SEED = "worst", 1200, 0


def main() -> None:
    """Train, then count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.work / "memorizing" / "candidate"
    if not folder.is_dir():
        write_class_folders(options.data, folder, NOISES[NOISE], IMAGES)
    config = TrainConfig(
        root=folder.parent, main="candidate", model="cifar_resnet8", image_size=32, epochs=60, decay_epochs=40,
        batch_size=32, lr=0.05, weight_decay=0.0, holdout=0.2, augment="none", seed=SEED,
        outpath=folder.parent / "run", device="cpu", workers=1, train_accuracy=(),
    )  # fmt: skip
    run = train(config)
    clean = pq.read_table(options.data / "train.parquet", columns=["clean_label"])["clean_label"].to_pylist()
    truth = {
        f"{file.parent.name}/{file.name}": CLASSES[clean[int(file.stem)]] for file in sorted(folder.rglob("*.jpg"))
    }
    truth_file = folder.parent / "truth.json"
    truth_file.write_text(json.dumps(truth))
    curves = write_fit_curves(run, truth_file)
    write_json(
        options.out,
        {
            "provenance": provenance(seeds=[SEED]),
            "noise": NOISE,
            "images": IMAGES,
            "selected_epoch": run.summary()["selected_epoch"],
            "fit_curves": curves,
        },
    )


if __name__ == "__main__":
    main()
