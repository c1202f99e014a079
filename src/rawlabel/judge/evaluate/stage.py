"""The stage `evaluate`: the only place that opens a test set.

Its numbers are for people and for the oracle. Nothing in `train` imports this package (CI checks that), and
the record that a stopping rule reads has no field for them.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy.special import softmax

from rawlabel.artifacts.log_entry import TestAccuracies
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Accuracy, Decontamination, EpochAccuracy, Measurement, Summary
from rawlabel.base import processes
from rawlabel.base.correctness import count_unanswered, has_top5, is_right, logged_accuracies, predicted_classes
from rawlabel.base.files import atomic_write, disk_errors, write_json
from rawlabel.base.metrics import clopper_pearson, confusion_matrix
from rawlabel.config import EvaluateConfig, TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.input import InputSet
from rawlabel.judge.evaluate.choice_regret import choice_regret
from rawlabel.judge.evaluate.measured_sets import logged_test_set
from rawlabel.judge.evaluate.opening import named_sets, read_test_input, test_request
from rawlabel.judge.evaluate.overlap import note_overlap, overlap_of_run
from rawlabel.judge.evaluate.responsible import write_responsible
from rawlabel.models.device import choose_device
from rawlabel.models.precision import precision_of_run
from rawlabel.models.predictor import Predictor, load_predictor
from rawlabel.training.data import TrainingData
from rawlabel.training.image_cache import KeptImages, images_to_measure, keep_images
from rawlabel.training.loop import EpochEvaluator


def make_epoch_evaluator(config: TrainConfig, data: TrainingData) -> EpochEvaluator | None:
    """Make what measures the accuracy on the test sets after each epoch, for the log; None without any.

    With --track-correct it also notes in the run directory, `outpath`, which test images were right.
    """
    sets = named_sets(config, data)
    decoded: dict[str, KeptImages] = {}

    def measure(predictor: Predictor) -> TestAccuracies:
        entry: TestAccuracies = {}
        for key, (place, found) in sets.items():
            labeled = found.images
            if key not in decoded:
                if config.outpath is not None:
                    note_overlap(RunDirectory(config.outpath), data, found, place, key, predictor.pause)
                decoded[key] = keep_images(labeled.source, config, predictor, f"reading {key} images")
            logits = predictor.logits(decoded[key])
            if key == "test" and config.track_correct and config.outpath is not None:
                write_correct(config.outpath, labeled, logits)
            accuracies = logged_accuracies(logits, labeled.labels)
            if key == "test":
                entry["test"] = accuracies
            else:
                entry["subset"] = accuracies
        return entry

    return measure if sets else None


def write_correct(folder: Path, labeled: LabeledImages, logits: npt.NDArray[np.float32]) -> None:
    """Write correct.json: positions (`correct`, as published) and names of the test images that are right.

    Raises `DiskError`.
    """
    rows = np.flatnonzero(is_right(logits, labeled.labels)).tolist()
    names = [labeled.source.name(row) for row in rows]
    write_json(folder / "correct.json", {"correct": rows, "names": names, "images": len(labeled.labels)})


def evaluate(config: EvaluateConfig) -> Summary:
    """Measure a finished run on its test set and write the evidence into the run directory.

    Writes `predictions.parquet`, `corr.json`, `confmat.npy`, `idx2cls.json` for the selected epoch, adds the
    accuracies to `summary.json`, which is returned, and notes the opening of the test set in
    `test-ledger.jsonl`. Raises `ConfigError`, `DataError`, `CheckpointError`, `DiskError`.
    """
    if config.run is None:
        raise ConfigError("RUN: name the run directory, for example `rawlabel evaluate project/runs/NAME`")
    run = RunDirectory.existing(config.run)
    finished = run.read()
    summary = finished.summary
    folder = config.test or logged_test_set(finished)
    own = precision_of_run(run, choose_device("auto"))
    precision = config.precision if config.precision != "auto" else own
    predictor, class_ids, epoch = load_predictor(run.selected_checkpoint, precision=precision)
    trained = finished.settings
    request = replace(
        test_request(trained),
        max_megapixels=max(config.max_megapixels, trained.max_megapixels),
        may_lack_classes=config.partial_test or trained.partial_test,
    )
    found = read_test_input(folder, class_ids, request, summary.left_out)
    labeled, labels = found.images, found.images.labels
    note_opening(run, folder)
    images = images_to_measure(labeled.source, predictor, processes.own_cores(), "reading test images")
    logits = predictor.logits(images, config.batch_size)
    _write_evidence(run, labeled, logits, class_ids)
    predicted = predicted_classes(torch.from_numpy(logits)).numpy()
    write_responsible(run, predictor, labeled, predicted, class_ids)
    last = load_predictor(run.last_weights, precision=precision)[0].logits(images, config.batch_size)
    last_epoch = finished.epochs[-1].epoch if summary.last_epoch is None else summary.last_epoch
    test = Measurement(
        folder=str(folder),
        place=run.place_of(folder),
        images=len(labels),
        confidence=config.confidence,
        precision=str(predictor.precision).removeprefix("torch."),
        selected=_accuracies(epoch, logits, labels, config.confidence),
        last=_accuracies(last_epoch, last, labels, config.confidence),
    )
    present = [class_ids[index] for index in np.unique(labels)]
    if len(present) < len(class_ids):
        test = test.model_copy(update={"classes": tuple(present), "training_classes": len(class_ids)})
    oracle = finished.oracle_epoch
    if oracle is not None and config.test is None:
        test = test.model_copy(update={"oracle": _oracle(finished, oracle, len(labels), config.confidence)})
        summary = summary.model_copy(update={"oracle_epoch": oracle})
    worth = _decontamination(run, found, folder, is_right(logits, labels), config.confidence)
    test = test.model_copy(update={"choice": choice_regret(run, labeled), "decontamination": worth})
    summary = summary.model_copy(update={"test": test}).adding(test_overlap=run.overlap_counts())
    run.write_summary(summary)
    return summary


def _decontamination(
    run: RunDirectory, found: InputSet, folder: Path, is_correct: npt.NDArray[np.bool_], confidence: float
) -> Decontamination | None:
    """What copies of test images are worth to the accuracy; None where the run's images are not there any more."""
    overlap = overlap_of_run(run, found, folder)
    if overlap is None:
        return None
    is_clean = np.ones(len(is_correct), dtype=np.bool_)
    is_clean[overlap.rows] = False
    clean, shared = (
        with_interval(int(is_correct[rows].sum()), int(rows.sum()), confidence) if rows.any() else None
        for rows in (is_clean, ~is_clean)
    )
    certificate = overlap.certificate
    if certificate is None:
        says = (
            f"no certificate speaks of these training and test images; {len(overlap.rows)} of {len(is_correct)} "
            "test images have a copy that was trained on or held out"
        )
        count = len(overlap.rows)
        return Decontamination(is_certified=False, says=says, overlapping=count, clean=clean, overlap=shared)
    canaries = certificate.canaries
    return Decontamination(
        is_certified=True,
        says=certificate.describe(),
        left_out=len(certificate.removed),
        for_review=certificate.for_review,
        planted=canaries.planted,
        caught=canaries.caught,
        interval=canaries.interval,
        overlapping=len(overlap.rows),
        clean=clean,
        overlap=shared,
    )


def _oracle(finished: Run, epoch: int, images: int, confidence: float) -> EpochAccuracy:
    """The best on the logged test set: its oracle `epoch`, or one of the weights that fine-tuning chose from."""
    best = finished.oracle_weights
    accuracy = finished.test_accuracies[epoch] if best is None else best[1]
    top1 = with_interval(round(accuracy * images / 100), images, confidence)
    if best is None:
        return EpochAccuracy(epoch=epoch, top1=top1)
    return EpochAccuracy(epoch=finished.summary.selected_epoch, top1=top1, weights=best[0])


def _accuracies(
    epoch: int, logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], confidence: float
) -> EpochAccuracy:
    """Top-1 and, where it says anything, top-5; how many images have no answer, if any has none."""
    top1, top5 = (with_interval(int(is_right(logits, labels, k).sum()), len(labels), confidence) for k in (1, 5))
    found = EpochAccuracy(epoch=epoch, top1=top1)
    more = {"top5": top5 if has_top5(logits.shape[1]) else None, "unanswered": count_unanswered(logits)}
    return found.model_copy(update={name: value for name, value in more.items() if value})


def with_interval(correct: int, trials: int, confidence: float) -> Accuracy:
    """Correct images of `trials`, and the accuracy with its exact interval [percent]."""
    lower, upper = clopper_pearson(correct, trials, confidence)
    return Accuracy(
        correct=correct, accuracy=100 * correct / trials, interval=(100 * float(lower), 100 * float(upper))
    )


def _write_evidence(
    run: RunDirectory, labeled: LabeledImages, logits: npt.NDArray[np.float32], class_ids: list[str]
) -> None:
    labels = labeled.labels
    probabilities = softmax(logits, axis=1)
    predicted = predicted_classes(torch.from_numpy(logits)).numpy()
    table = pa.table(
        {
            "file": labeled.names(),
            "true_class": [class_ids[i] for i in labels],
            "predicted_class": [class_ids[i] if i >= 0 else None for i in predicted],
            "probability": probabilities.max(axis=1),
            "true_class_probability": probabilities[np.arange(len(labels)), labels],
            "is_correct": is_right(logits, labels),
        }
    )
    with atomic_write(run.path / "predictions.parquet") as stream:
        pq.write_table(table, stream)
    matrix = confusion_matrix(labels[predicted >= 0], predicted[predicted >= 0], len(class_ids))
    with atomic_write(run.path / "confmat.npy") as stream:
        np.save(stream, matrix)
    write_json(run.path / "corr.json", dict(zip(class_ids, np.diag(matrix).tolist(), strict=True)))
    write_json(run.path / "idx2cls.json", {str(i): class_id for i, class_id in enumerate(class_ids)})


def note_opening(run: RunDirectory, folder: Path, by: str = "evaluate") -> None:
    """Count every opening of a test set: a number chosen after many looks is worth less."""
    if not processes.is_first():
        return
    path = run.path / "test-ledger.jsonl"
    line = {"opened_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "test": str(folder), "by": by}
    with disk_errors(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
