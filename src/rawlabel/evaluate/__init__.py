"""The stage `evaluate`: the only place that opens a test set.

Its numbers are for people and for the oracle. Nothing in `train` imports this package (CI checks that), and
the record that a stopping rule reads has no field for them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.config import EvaluateConfig, TrainConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.files import atomic_write, disk_errors, write_json
from rawlabel.metrics import clopper_pearson, confusion_matrix, top_k_correct
from rawlabel.run_directory import RunDirectory
from rawlabel.train.data import TrainingData, read_class_folders
from rawlabel.train.images import Images
from rawlabel.train.loop import EpochEvaluator
from rawlabel.train.predictor import Predictor, load_predictor


def make_epoch_evaluator(config: TrainConfig, data: TrainingData) -> EpochEvaluator | None:
    """Make what measures the test accuracy after each epoch, for the log; None without `config.test`."""
    if config.test is None:
        return None
    paths, labels = read_test_set(config.root / config.test, list(data.class_ids))
    images: list[Images] = []

    def measure(predictor: Predictor) -> dict[str, float]:
        if not images:
            side = predictor.transform.stored_side
            images.append(Images(paths, side, config.workers, "reading test images"))
        logits = predictor.logits(images[0])
        return {f"acc{k}": 100 * float(top_k_correct(logits, labels, k).mean()) for k in (1, 5)}

    return measure


def read_test_set(folder: Path, class_ids: list[str]) -> tuple[list[Path], npt.NDArray[np.int64]]:
    """Files and class indices (into `class_ids`) of a test folder.

    Raises `DataError` when its classes are not exactly the training classes.
    """
    found, paths, labels = read_class_folders(folder)
    for class_id in found:
        if class_id not in class_ids:
            raise DataError(f"{folder}: class '{class_id}' is not among the training classes; remove its folder")
    for class_id in class_ids:
        if class_id not in found:
            raise DataError(f"{folder}: training class '{class_id}' is missing; add a folder of that name")
    index = np.array([class_ids.index(class_id) for class_id in found], dtype=np.int64)
    return paths, index[labels]


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Measure a finished run on its test set and write the evidence into the run directory.

    Writes `predictions.parquet`, `corr.json`, `confmat.npy`, `idx2cls.json` for the selected epoch, adds the
    accuracies to `summary.json`, which is returned, and notes the opening of the test set in
    `test-ledger.jsonl`. Raises `ConfigError`, `DataError`, `CheckpointError`, `DiskError`.
    """
    if config.run is None:
        raise ConfigError("RUN: name the run directory, for example `rawlabel evaluate project/runs/NAME`")
    run = RunDirectory.existing(config.run)
    summary = run.summary()
    folder = config.test or _logged_test_set(run)
    predictor, class_ids, epoch = load_predictor(run.selected_checkpoint)
    paths, labels = read_test_set(folder, class_ids)
    _note_opening(run, folder)
    images = Images(paths, predictor.transform.stored_side, 2, "reading test images")
    logits = predictor.logits(images, config.batch_size)
    _write_evidence(run, folder, paths, labels, logits, class_ids)
    last = load_predictor(run.last_checkpoint)[0].logits(images, config.batch_size)
    test = {
        "folder": str(folder),
        "images": len(labels),
        "confidence": config.confidence,
        "selected": {"epoch": epoch, **_accuracies(logits, labels, config.confidence)},
        "last": {"epoch": summary["last_epoch"], **_accuracies(last, labels, config.confidence)},
    }
    oracle = oracle_epoch(run)
    if oracle is not None and config.test is None:
        correct = round(oracle[1] * len(labels) / 100)
        test["oracle"] = {"epoch": oracle[0], "top1": _with_interval(correct, len(labels), config.confidence)}
        summary["oracle_epoch"] = oracle[0]
    summary["test"] = test
    run.write_summary(summary)
    return summary


def oracle_epoch(run: RunDirectory) -> tuple[int, float] | None:
    """Epoch with the highest logged test accuracy, and that accuracy [percent]; nobody could have chosen it.

    None when no test accuracy was logged.
    """
    logged = [(entry["epoch"], entry["test"]["acc1"]) for entry in run.log() if entry["test"]["acc1"] is not None]
    return max(logged, key=lambda one: (one[1], -one[0])) if logged else None


def _logged_test_set(run: RunDirectory) -> Path:
    config = TrainConfig(**run.config())
    if config.test is None:
        raise ConfigError("--test: the run logged no test set; name a folder of class folders")
    return config.root / config.test


def _accuracies(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], confidence: float
) -> dict[str, Any]:
    return {
        f"top{k}": _with_interval(int(top_k_correct(logits, labels, k).sum()), len(labels), confidence)
        for k in (1, 5)
    }


def _with_interval(correct: int, trials: int, confidence: float) -> dict[str, Any]:
    lower, upper = clopper_pearson(correct, trials, confidence)
    return {
        "correct": correct,
        "accuracy": 100 * correct / trials,
        "interval": [100 * float(lower), 100 * float(upper)],
    }


def _write_evidence(
    run: RunDirectory,
    folder: Path,
    paths: list[Path],
    labels: npt.NDArray[np.int64],
    logits: npt.NDArray[np.float32],
    class_ids: list[str],
) -> None:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    predicted = logits.argmax(axis=1)
    table = pa.table(
        {
            "file": [path.relative_to(folder).as_posix() for path in paths],
            "true_class": [class_ids[i] for i in labels],
            "predicted_class": [class_ids[i] for i in predicted],
            "probability": probabilities.max(axis=1),
            "true_class_probability": probabilities[np.arange(len(labels)), labels],
            "is_correct": predicted == labels,
        }
    )
    with atomic_write(run.path / "predictions.parquet") as stream:
        pq.write_table(table, stream)
    matrix = confusion_matrix(labels, predicted, len(class_ids))
    with atomic_write(run.path / "confmat.npy") as stream:
        np.save(stream, matrix)
    write_json(run.path / "corr.json", dict(zip(class_ids, np.diag(matrix).tolist(), strict=True)))
    write_json(run.path / "idx2cls.json", {str(i): class_id for i, class_id in enumerate(class_ids)})


def _note_opening(run: RunDirectory, folder: Path) -> None:
    """Count every opening of a test set: a number chosen after many looks is worth less."""
    path = run.path / "test-ledger.jsonl"
    line = {"opened_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "test": str(folder), "by": "evaluate"}
    with disk_errors(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
