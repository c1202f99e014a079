"""Which labels are fitted first: counted by hand, and the claim can come out either way."""

from __future__ import annotations

import numpy as np
import pytest

from rawlabel.errors import DataError
from rawlabel.judge.evaluate.fit_curves import fit_curves


def test_epochs_count_correct_labels_wrong_labels_and_wrong_labels_seen_through() -> None:
    raw, true = np.array([0, 1, 1, 2, 2]), np.array([0, 1, 0, 2, -1])
    predictions = np.array([[0, 2, 0, -1, 2], [0, 1, 1, 2, 2]], dtype=np.int32)
    first, second = fit_curves(predictions, raw, true)["epochs"]
    assert first == {
        "epoch": 0, "correct_labels": 2, "correct_fitted": 1, "wrong_labels": 2, "wrong_fitted": 1,
        "wrong_seen_through": 1,
    }  # fmt: skip
    assert (second["correct_fitted"], second["wrong_fitted"], second["wrong_seen_through"]) == (3, 2, 0)


@pytest.mark.parametrize(
    ("clean_fit", "wrong_fit", "verdict"),
    [(0.6, 0.1, "seen"), (0.6, 0.6, "refuted"), (0.6, 0.8, "refuted"), (0.6, 0.55, "open"), (0.3, 0.1, "open")],
)
def test_the_claim_is_seen_or_refuted_where_half_of_the_correct_labels_are_fitted(
    clean_fit: float, wrong_fit: float, verdict: str
) -> None:
    true, raw = np.zeros(400, dtype=int), np.repeat([0, 1], 200)
    fitted = np.arange(200) / 200
    predicted = np.concatenate([np.where(fitted < clean_fit, 0, 1), np.where(fitted < wrong_fit, 1, 0)])
    assert fit_curves(predicted[None].astype(np.int32), raw, true)["verdict"]["clean_labels_first"] == verdict


def test_predictions_of_other_photos_are_refused() -> None:
    with pytest.raises(DataError, match="do not fit"):
        fit_curves(np.zeros((2, 3), dtype=np.int32), np.zeros(4, dtype=int), np.zeros(4, dtype=int))
