"""Judge evidence about labels on the known truth of CIFAR-10N.

    python benchmarks/label_evidence/cifar10n_judge.py CIFAR10N_FOLDER WORK_FOLDER OUT.json

Reads the held-out predictions and training predictions of the runs that `cifar10n_runs.py` made. The clean labels
are opened here and nowhere before.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from _provenance import provenance
from cifar10n_runs import CLASSES, NOISES

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import read_json, write_json
from rawlabel.judge.evaluate.fit_curves import fit_curves
from rawlabel.judge.evaluate.label_judgement import judge_confusions, judge_shares, judge_suspicion
from rawlabel.judge.label_evidence.held_out import Pool
from rawlabel.judge.label_evidence.noise_share import estimate_noise
from rawlabel.judge.label_evidence.of_runs import held_out_of
from rawlabel.judge.label_evidence.suspicion import held_out_suspicion, training_suspicion

Labels = npt.NDArray[np.int64]


def main() -> None:
    """Judge all noises of which there is a finished run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    table = pq.read_table(options.data / "train.parquet", columns=["clean_label"])
    clean = np.asarray(table["clean_label"], dtype=np.int64)
    result: dict[str, Any] = {"noises": {}}
    seeds = set()
    for noise in NOISES:
        paths = sorted(path.parent for path in (options.work / noise).glob("*/holdout.npz"))
        if paths:
            result["noises"][noise] = judge_noise(paths, clean)
            seeds |= {read_json(path / "config.json", "settings")["seed"] for path in paths}
    example = RunDirectory(paths[0])
    result["training"] = {
        key: example.config()[key]
        for key in ("model", "epochs", "batch_size", "lr", "decay_epochs", "weight_decay", "holdout", "stop")
    }
    starts = read_json(example.path / "environment.json", "the starts of a run")
    result["training"]["commit"] = starts[0]["commit"]
    result["provenance"] = provenance(seeds=sorted(seeds))
    write_json(options.out, result)


def judge_noise(paths: list[Path], clean: Labels) -> dict[str, Any]:
    """Judge the runs on one kind of raw labels."""
    runs = []
    for path in paths:
        with np.load(path / "holdout.npz") as saved:
            runs.append(
                held_out_of(
                    saved["class_ids"].tolist(),
                    saved["photos"].tolist(),
                    saved["labels"],
                    saved["logits"],
                    saved["features"],
                )
            )
    pool = Pool.of(runs)
    pooled = pool.mean()
    # Folders are sorted by name, and CIFAR-10's classes are too.
    assert pooled.class_ids == CLASSES
    true = true_classes(pooled.photos, clean)
    noise = estimate_noise(pool)
    is_wrong = true != pooled.labels
    return {
        "runs": len(runs),
        "held_out_photos": len(true),
        "held_out_accuracy_by_raw_label": float((pooled.predicted == pooled.labels).mean()),
        "held_out_accuracy_by_clean_label": float((pooled.predicted == true).mean()),
        "shares": [asdict(one) for one in judge_shares(noise, pooled.labels, true)],
        "confusions": judge_confusions(noise.joint, pooled.labels, true),
        "suspicion_held_out": judge_suspicion(held_out_suspicion(pooled).score, is_wrong),
        "suspicion_training": judge_training(paths[0], clean),
        "preferred_is_true_of_wrong": float((pooled.predicted == true)[is_wrong].mean()),
        "fit_curves": judge_fit(paths[0], clean),
    }


def true_classes(photos: Any, clean: Labels) -> Labels:
    """Clean labels by the row in the file's name."""
    return clean[[int(Path(photo).stem) for photo in photos]]


def judge_training(path: Path, clean: Labels) -> dict[str, float]:
    """The score from training epochs, on the photos that one run trained on."""
    labels, true, predictions = training_of(path, clean)
    until = RunDirectory(path).summary()["selected_epoch"] + 1
    return judge_suspicion(training_suspicion(predictions[:until], labels).score, labels != true)


def judge_fit(path: Path, clean: Labels) -> dict[str, Any]:
    """Which labels one run fitted first."""
    labels, true, predictions = training_of(path, clean)
    return fit_curves(predictions, labels, true)


def training_of(path: Path, clean: Labels) -> tuple[Labels, Labels, npt.NDArray[np.int32]]:
    """Raw and clean labels and predictions of the training photos of one run."""
    predictions = RunDirectory(path).training_predictions()
    assert predictions is not None
    with np.load(path / "holdout.npz") as saved:
        return saved["train_labels"], true_classes(saved["train_photos"].tolist(), clean), predictions


if __name__ == "__main__":
    main()
