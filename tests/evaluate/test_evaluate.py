"""Evaluation: exact intervals, the published formats, and numbers that agree with each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binomtest

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import EvaluateConfig, PredictConfig
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.models.predict import predict
from rawlabel.training.stage import train
from tests.helpers.tiny_training import CLASSES, make_class_folders, tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    root = tmp_path_factory.mktemp("evaluated")
    make_class_folders(root / "candidate", 40, 1)
    make_class_folders(root / "test", 25, 2)
    done = train(tiny(root, epochs=5, outpath=root / "run"), make_epoch_evaluator)
    evaluate(EvaluateConfig(run=done.path))
    return done


def test_the_three_accuracies_are_those_of_the_log(run: RunDirectory) -> None:
    summary, log = run.summary(), run.log()
    test = summary.test
    by_epoch = [entry["test"]["acc1"] for entry in log]
    assert test.selected.top1.accuracy == pytest.approx(by_epoch[summary.selected_epoch])
    assert test.last.top1.accuracy == pytest.approx(by_epoch[-1])
    assert test.oracle.top1.accuracy == pytest.approx(max(by_epoch))
    assert by_epoch[test.oracle.epoch] == max(by_epoch)
    assert test.oracle.top1.accuracy >= test.selected.top1.accuracy


def test_intervals_are_exact(run: RunDirectory) -> None:
    one = run.summary().test.selected.top1
    expected = binomtest(one.correct, 75).proportion_ci(0.95, method="exact")
    assert one.interval == pytest.approx((100 * expected.low, 100 * expected.high))


def test_the_published_files_agree_with_the_predictions(run: RunDirectory) -> None:
    rows = pq.read_table(run.path / "predictions.parquet").to_pylist()
    matrix = np.load(run.path / "confmat.npy")
    index = json.loads((run.path / "idx2cls.json").read_text())
    corr = json.loads((run.path / "corr.json").read_text())
    assert [index[str(i)] for i in range(3)] == list(CLASSES)
    assert matrix.sum(axis=1).tolist() == [25, 25, 25]
    expected = np.zeros((3, 3), dtype=int)
    for row in rows:
        assert row["file"].split("/")[0] == row["true_class"]
        expected[CLASSES.index(row["true_class"]), CLASSES.index(row["predicted_class"])] += 1
    assert (matrix == expected).all()
    assert corr == {name: int(matrix[i, i]) for i, name in enumerate(CLASSES)}
    assert sum(corr.values()) == run.summary().test.selected.top1.correct


def test_each_opening_of_the_test_set_is_counted(run: RunDirectory) -> None:
    ledger = run.path / "test-ledger.jsonl"
    before = len(ledger.read_text().splitlines())
    evaluate(EvaluateConfig(run=run.path))
    assert len(ledger.read_text().splitlines()) == before + 1


def test_another_test_set_has_no_oracle(run: RunDirectory, tmp_path: Path) -> None:
    copy = RunDirectory(shutil.copytree(run.path, tmp_path / "run"))
    summary = evaluate(EvaluateConfig(run=copy.path, test=make_class_folders(tmp_path / "other", 8, 5)))
    assert summary.test.images == 24
    assert summary.test.oracle is None


def test_predictions_take_images_folders_and_a_pipe(
    run: RunDirectory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = make_class_folders(tmp_path / "new", 3, 9)
    paths = sorted(folder.rglob("*.png"))
    from_folder = list(predict(PredictConfig(run=run.path, images=(str(folder),))))
    one_by_one = [next(iter(predict(PredictConfig(run=run.path, images=(str(path),))))) for path in paths]
    assert [(one.path, one.class_id) for one in from_folder] == [(one.path, one.class_id) for one in one_by_one]
    assert sum(one.path.parent.name == one.class_id for one in from_folder) >= 6
    import io

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("".join(f"{path}\n" for path in paths).encode())))
    capsys.readouterr()
    assert cli.run(["predict", str(run.path), "-", "--top", "3"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines[::3]] == [str(path) for path in paths]
    for start in range(0, len(lines), 3):
        shares = [float(line[2]) for line in lines[start : start + 3]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=2e-4)
