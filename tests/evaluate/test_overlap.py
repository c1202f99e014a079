"""Test photos among the training photos are counted and told; nothing else changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.cli import run as rawlabel
from rawlabel.config import EvaluateConfig
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.training.stage import train
from tests.helpers.pictures import photo, write_owls_and_robins, write_picture
from tests.helpers.tiny_training import tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of six test photos, one has the pixels of a training photo of another class, and one is a near copy."""
    root = tmp_path_factory.mktemp("leaky")
    write_owls_and_robins(root, 90, tests=3)
    shutil.copy(root / "candidate" / "owl" / "3.png", root / "test" / "robin" / "0.png")
    (root / "test" / "owl" / "1.png").unlink()
    write_picture(root / "test" / "owl" / "1.jpg", photo(105, 90))
    return root


def trained(root: Path, out: Path, **changes: Any) -> RunDirectory:
    settings = {"batch_size": 8, "epochs": 2, "decay_epochs": 1, "holdout": 0.2}
    return train(tiny(root, outpath=out, **settings | changes), make_epoch_evaluator)


@pytest.mark.usefixtures("messages_on_stderr")
def test_they_are_told_when_training_and_listed(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(leaky, tmp_path / "run")
    said = capsys.readouterr().err
    assert (
        said.count(
            "note: 2 of 6 test images are among the images of the run too (1 equal in all pixels, 1 near copies)"
        )
        == 1
    )
    counts = {"test_images": 6, "equal": 1, "near": 1, "compared_by_pixels_alone": 0}
    assert run.summary().test_overlap["test"].as_json() == counts
    pairs = run.read().overlap["test"].pairs
    assert {(Path(one.test).name, Path(one.other).name, one.equal_pixels) for one in pairs} == {
        ("0.png", "3.png", True), ("1.jpg", "5.png", False),
    }  # fmt: skip
    evaluate(EvaluateConfig(run=run.path))
    assert "note: 2 of 6 test images are among" in capsys.readouterr().err
    assert run.summary().test_overlap["test"].as_json() == counts


def test_another_test_set_is_compared_when_it_is_evaluated(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(leaky, tmp_path / "run", test=None)
    assert not run.read().overlap
    other = tmp_path / "other"
    shutil.copytree(leaky / "test", other)
    shutil.copy(leaky / "candidate" / "robin" / "1.png", other / "robin" / "2.png")
    assert rawlabel(["evaluate", str(run.path), "--test", str(other)]) == 0
    assert "note: 3 of 6 test images are among" in capsys.readouterr().err
    assert run.summary().test_overlap["test"].equal == 2


@pytest.mark.usefixtures("messages_on_stderr")
def test_a_run_whose_images_are_gone_is_evaluated_and_says_that_nothing_was_compared(
    leaky: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(leaky, root)
    run = trained(root, tmp_path / "run", test=None)
    shutil.rmtree(root / "candidate")
    evaluate(EvaluateConfig(run=run.path, test=root / "test"))
    assert "is not compared with the training images, which cannot be read: " in capsys.readouterr().err
    assert json.loads((run.path / "summary.json").read_text())["test"]["images"] == 6
