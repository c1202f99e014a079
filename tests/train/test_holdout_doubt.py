"""A selection by too few held-out photos says so, with the interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.cli import run as rawlabel
from rawlabel.records import EpochRecord
from rawlabel.training.measuring.holdout_doubt import holdout_doubt
from tests.helpers.tiny_training import make_class_folders


def records(*accuracies: float | None) -> list[EpochRecord]:
    facts: dict[str, Any] = {"learning_rate": 0.1, "train_loss": 1.0, "train_accuracy": 50.0, "holdout_loss": 1.0}
    return [
        EpochRecord(epoch=epoch, holdout_accuracy=one, decays_left=0, **facts)
        for epoch, one in enumerate(accuracies)
    ]


@pytest.mark.parametrize(
    ("accuracies", "selected", "num_images", "said"),
    [
        ((0.0, 100.0, 50.0), 1, 2, "but 2 held-out photos cannot tell the epochs apart: its accuracy there is "
         "100.00 % [15.81, 100.00], and the best epoch and the worst differ by 2 of them"),
        ((0.0, 0.0), 0, 1, "but 1 held-out photo cannot tell the epochs apart: its accuracy there is 0.00 % "
         "[0.00, 97.50], and the best epoch and the worst differ by 0 of them"),
        ((90.0, 90.5), 1, 1000, "but 1000 held-out photos cannot tell the epochs apart: its accuracy there is "
         "90.50 % [88.51, 92.25], and the best epoch and the worst differ by 5 of them"),
        ((90.0, 90.6), 1, 1000, None),
        ((0.0, 100.0), 1, 6, None),
        ((50.0,), 0, 2, None),
        ((None, None), 0, 0, None),
    ],
)  # fmt: skip
def test_epochs_that_differ_by_less_than_six_photos_are_not_told_apart(
    accuracies: tuple[float | None, ...], selected: int, num_images: int, said: str | None
) -> None:
    assert holdout_doubt(records(*accuracies), selected, num_images) == said


@pytest.mark.integration
def test_a_run_on_few_photos_is_made_and_its_line_says_what_it_is_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_class_folders(tmp_path / "candidate", 9, 1)
    settings = ["--model", "cifar_resnet8", "--image-size", "16", "--epochs", "2", "--batch-size", "8"]
    place = ["--root", str(tmp_path), "--main", "candidate", "--device", "cpu"]
    for seed in ("1", "2"):
        out = tmp_path / seed
        assert rawlabel(["train", *place, *settings, "--outpath", str(out), "--seed", seed]) == 0
        summary = RunDirectory(out).summary()
        line = capsys.readouterr().out.splitlines()[0]
        assert line.endswith(summary.why_selected())
        assert "; but " in line and " held-out photos cannot tell the epochs apart: " in line
