"""Which labels a network fits first, where the truth is known: correct ones or wrong ones, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError
from rawlabel.files import write_json
from rawlabel.metrics import clopper_pearson
from rawlabel.run_directory import RunDirectory

Labels = npt.NDArray[np.int64]


def fit_curves(
    predictions: npt.NDArray[np.int32], raw: Labels, true: Labels, confidence: float = 0.95
) -> dict[str, Any]:
    """Share of correct and of wrong raw labels that the network reproduces in each epoch's training pass.

    `predictions` [epochs, photos] are classes, -1 for none; `raw` and `true` [photos] are labels. A true class
    that is none of the classes may be any negative number. A photo counts in an epoch when it was seen. Of the
    wrong labels it is also counted how many are given their true class instead.

    The claim that clean labels are fitted first (Zhang et al., arXiv 1611.03530; Arpit et al., arXiv 1706.05394)
    is *seen* when, at the first epoch in which half of the correct labels are reproduced, the share of
    reproduced wrong labels is significantly smaller; *refuted* when it is not; *open* when no epoch gets that
    far, or no label is wrong. Raises `DataError` when the shapes do not fit.
    """
    if predictions.ndim != 2 or predictions.shape[1:] != raw.shape or raw.shape != true.shape:
        raise DataError(
            f"fit curves: predictions {predictions.shape} do not fit {raw.shape} labels; repeat the run"
        )
    is_wrong = raw != true
    epochs = []
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


def write_fit_curves(run: RunDirectory, names: Sequence[str], raw: Labels, truth: dict[str, int]) -> Path:
    """Write `fit_curves.json` into a finished run whose training photos have these names and raw labels.

    `truth` maps names to true classes. Raises `DataError` when the run kept no predictions or a photo is missing.
    """
    predictions = run.training_predictions()
    if predictions is None:
        raise DataError(f"{run.path}: kept no training predictions; train again with --keep-predictions")
    missing = next((name for name in names if name not in truth), None)
    if missing is not None:
        raise DataError(f"{run.path}: the truth lacks the photo {missing}; take the truth of the same photos")
    true = np.array([truth[name] for name in names], dtype=np.int64)
    path = run.path / "fit_curves.json"
    write_json(path, fit_curves(predictions, raw, true))
    return path


def _verdict(epochs: Sequence[dict[str, int]], confidence: float) -> dict[str, Any]:
    for one in epochs:
        if not one["wrong_labels"] or 2 * one["correct_fitted"] < one["correct_labels"]:
            continue
        clean = clopper_pearson(one["correct_fitted"], one["correct_labels"], confidence)
        wrong = clopper_pearson(one["wrong_fitted"], one["wrong_labels"], confidence)
        return {
            "clean_labels_first": "seen" if wrong[1] < clean[0] else "refuted",
            "epoch": one["epoch"],
            "correct_fitted": one["correct_fitted"] / one["correct_labels"],
            "correct_interval": [float(limit) for limit in clean],
            "wrong_fitted": one["wrong_fitted"] / one["wrong_labels"],
            "wrong_interval": [float(limit) for limit in wrong],
        }
    return {"clean_labels_first": "open"}
