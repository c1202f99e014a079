"""Which labels a network fits first, where the truth is known: correct ones or wrong ones, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.files import read_json, write_json
from rawlabel.base.metrics import clopper_pearson
from rawlabel.errors import DataError
from rawlabel.judge.evaluate.truth import content_of_files, is_site_truth
from rawlabel.training.around.confident_learning import kept_by
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.data import load_training_data

Labels = npt.NDArray[np.int64]


class EpochFit(TypedDict):
    """Training photos of one epoch by whether their raw label is right, and what the network said of them."""

    epoch: int
    correct_labels: int
    correct_fitted: int
    wrong_labels: int
    wrong_fitted: int
    wrong_seen_through: int
    """Of the wrong labels, those given their true class."""


class Verdict(TypedDict):
    """Whether clean labels were fitted first, and by which shares at which epoch where one tells."""

    clean_labels_first: Literal["seen", "refuted", "open"]
    epoch: NotRequired[int]
    correct_fitted: NotRequired[float]
    correct_interval: NotRequired[list[float]]
    wrong_fitted: NotRequired[float]
    wrong_interval: NotRequired[list[float]]


class Curves(TypedDict):
    """The epochs of a run, and what they say."""

    verdict: Verdict
    confidence: float
    epochs: list[EpochFit]


class FitCurves(Curves):
    """The content of `fit_curves.json`."""

    truth: str
    """Where the true classes are from."""


def fit_curves(predictions: npt.NDArray[np.int32], raw: Labels, true: Labels, confidence: float = 0.95) -> Curves:
    """Share of correct and of wrong raw labels that the network reproduces in each epoch's training pass.

    `predictions` [epochs, photos] are classes, -1 for none; `raw` and `true` [photos] are labels. A true class
    that is none of the classes may be any negative number. A photo counts in an epoch when it was seen. Of the
    wrong labels it is also counted how many are given their true class instead.

    The claim that clean labels are fitted first (Zhang et al., arXiv 1611.03530; Arpit et al., arXiv 1706.05394)
    is *seen* when, at the first epoch in which half of the correct labels are reproduced, the share of
    reproduced wrong labels is smaller and the exact intervals of the two do not touch; *refuted* when it is as
    large or larger; *open* otherwise, and when no epoch gets that far or no label is wrong. Raises `DataError`
    when the shapes do not fit.
    """
    if predictions.ndim != 2 or predictions.shape[1:] != raw.shape or raw.shape != true.shape:
        raise DataError(
            f"fit curves: predictions {predictions.shape} do not fit {raw.shape} labels; repeat the run"
        )
    is_wrong = raw != true
    epochs: list[EpochFit] = []
    for epoch, predicted in enumerate(predictions):
        seen = predicted >= 0
        clean, wrong = seen & ~is_wrong, seen & is_wrong
        epochs.append(
            {
                "epoch": epoch,
                "correct_labels": int(clean.sum()),
                "correct_fitted": int((predicted == raw)[clean].sum()),
                "wrong_labels": int(wrong.sum()),
                "wrong_fitted": int((predicted == raw)[wrong].sum()),
                "wrong_seen_through": int((predicted == true)[wrong].sum()),
            }
        )
    return {"verdict": _verdict(epochs, confidence), "confidence": confidence, "epochs": epochs}


def write_fit_curves(run: RunDirectory, truth_file: Path | None = None) -> FitCurves | None:
    """Write `fit_curves.json` into a finished run, and return what it holds.

    The truth comes from `truth_file` (see `true_classes`); without one, from before `--inject-noise`. None where
    neither is known, or the run kept no training predictions. Raises `DataError`, `DiskError`.
    """
    predictions = run.training_predictions()
    config = run.read().settings
    if predictions is None or (truth_file is None and not config.inject_noise):
        return None
    data = data_of_run(run)
    if truth_file is None:
        # Without the injection the same images are in the same order, under the labels that they had.
        everything = load_training_data(config.model_copy(update={"inject_noise": 0.0}))
        left_out = data.left_out_copies
        before = (everything.without(left_out.rows) if left_out else everything).train
        before = kept_by(run, before) if config.confident_learning else before
        true, source = before.labels, "injection"
    else:
        true, source = true_classes(run, data.class_ids, data.train.names(), truth_file), truth_file.name
    curves: FitCurves = {"truth": source, **fit_curves(predictions, data.train.labels, true)}
    write_json(run.path / "fit_curves.json", curves)
    return curves


def true_classes(run: RunDirectory, class_ids: Sequence[str], names: Sequence[str], truth_file: Path) -> Labels:
    """What photos show, as an index into `class_ids`; -1 for none of the classes.

    `truth_file` is the truth of a simulated photo site, for a run on a manifest, or a JSON object of each image's
    name and class. Raises `DataError` when it is neither or lacks an image.
    """
    if is_site_truth(truth_file):
        truth = content_of_files(run, truth_file)
    else:
        truth = read_json(truth_file, "a class for each image's name")
    if not isinstance(truth, dict):
        raise DataError(f"{truth_file}: holds no classes by name; give a JSON object of names and classes")
    index = {class_id: i for i, class_id in enumerate(class_ids)}
    missing = next((name for name in names if name not in truth), None)
    if missing is not None:
        raise DataError(f"{truth_file}: lacks the image {missing}; take the truth of the images trained on")
    return np.array([index.get(truth[name], -1) for name in names], dtype=np.int64)


def _verdict(epochs: Sequence[EpochFit], confidence: float) -> Verdict:
    for one in epochs:
        if not one["wrong_labels"] or 2 * one["correct_fitted"] < one["correct_labels"]:
            continue
        clean = clopper_pearson(one["correct_fitted"], one["correct_labels"], confidence)
        wrong = clopper_pearson(one["wrong_fitted"], one["wrong_labels"], confidence)
        fitted = one["correct_fitted"] / one["correct_labels"], one["wrong_fitted"] / one["wrong_labels"]
        seen: Literal["seen", "refuted", "open"] = (
            "seen" if wrong[1] < clean[0] else "refuted" if fitted[1] >= fitted[0] else "open"
        )
        return {
            "clean_labels_first": seen,
            "epoch": one["epoch"],
            "correct_fitted": fitted[0],
            "correct_interval": [float(limit) for limit in clean],
            "wrong_fitted": fitted[1],
            "wrong_interval": [float(limit) for limit in wrong],
        }
    return {"clean_labels_first": "open"}
