"""Confident learning: wrong labels are left out, nothing is lost, and a run goes on wherever it was stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.split import folds, held_out
from rawlabel.errors import DataError
from rawlabel.judge.evaluate.fit_curves import write_fit_curves
from rawlabel.training.around import confident_learning
from rawlabel.training.around.confident_learning import AGREED, DOUBTED, NOT_JUDGED, SPARED, judge
from rawlabel.training.around.holdout import data_of_run
from rawlabel.training.data import load_training_data
from rawlabel.training.stage import train
from tests.helpers.interruption import interrupt
from tests.helpers.runs import assert_same_run
from tests.helpers.tiny_training import make_class_folders, tiny


def planted(per_class: int, wrong: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of four classes, what the images show, and logits of a network that is right nine times of ten."""
    rng = np.random.default_rng(seed)
    shown = np.repeat(np.arange(4), per_class)
    labels = np.where(rng.random(len(shown)) < wrong, (shown + rng.integers(1, 4, len(shown))) % 4, shown)
    guessed = np.where(rng.random(len(shown)) < 0.1, rng.integers(0, 4, len(shown)), shown)
    logits = rng.normal(0, 1, (len(shown), 4)) + 4 * np.eye(4)[guessed]
    return labels, shown, logits.astype(np.float32)


def test_wrong_labels_are_doubted_and_right_ones_kept() -> None:
    labels, shown, logits = planted(500, 0.3)
    judgment = judge(labels, logits, np.arange(4))
    is_wrong, is_doubted = labels != shown, judgment.reasons == DOUBTED
    assert is_wrong[is_doubted].mean() > 0.8
    assert is_wrong[~is_doubted].mean() < 0.06
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert judgment.probabilities == pytest.approx(shares[np.arange(2000), labels], rel=1e-4)
    assert (judgment.likely == logits.argmax(axis=1)).all()
    assert set(judgment.reasons) == {DOUBTED, AGREED}


def test_a_class_that_no_network_knew_is_kept_and_takes_nothing_from_the_others() -> None:
    labels, _, logits = planted(100, 0.3)
    judgment = judge(labels, logits, np.array([0, 1, 3]))
    assert ((judgment.reasons == NOT_JUDGED) == (labels == 2)).all()
    assert np.isnan(judgment.probabilities[labels == 2]).all()
    assert (judgment.likely[labels != 2] != 2).all()
    alone = labels != 2
    other = judge(labels[alone] - (labels[alone] == 3), logits[alone][:, [0, 1, 3]], np.arange(3))
    assert (judgment.reasons[alone] == other.reasons).all()


@pytest.mark.parametrize(("known", "is_kept"), [(0, True), (8, True), (13, False)])
def test_a_class_that_would_be_emptied_is_kept(known: int, is_kept: bool) -> None:
    labels, _, logits = planted(100, 0)
    rows = np.flatnonzero(labels == 1)
    logits[rows[known:]] = [9, 0, 0, 0]
    logits[rows[:known]] = [0, 9, 0, 0]
    reasons = judge(labels, logits, np.arange(4)).reasons[rows]
    # cleanlab itself agrees with one image of each class, whatever the networks say.
    assert (reasons == (SPARED if is_kept else DOUBTED)).sum() == min(100 - known, 99)
    assert set(reasons) == {AGREED, SPARED if is_kept else DOUBTED}


@given(keys=st.lists(st.integers(0, 2**64 - 1), min_size=1), seed=st.integers(0, 2**31), count=st.integers(2, 20))
def test_equal_keys_are_in_one_fold_whatever_else_there_is(keys: list[int], seed: int, count: int) -> None:
    array = np.array([*keys, *keys[:1]], dtype=np.uint64)
    found = folds(array, seed, count)
    assert found.min() >= 0 and found.max() < count
    assert found[0] == found[-1] == folds(array[:1], seed, count)[0]


def test_folds_of_what_is_not_held_out_are_even() -> None:
    keys = np.random.default_rng(0).integers(0, 2**64, 20_000, dtype=np.uint64)
    kept = keys[~held_out(keys, 3, 0.5)]
    assert np.bincount(folds(kept, 3, 4)) == pytest.approx(len(kept) / 4, rel=0.05)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("noisy")
    make_class_folders(root / "candidate", 60, 1)
    return root


SETTINGS = {
    "epochs": 3,
    "model": "small_convnet",
    "test": None,
    "stop": "last_epoch",
    "inject_noise": 0.25,
    "confident_learning": True,
}


@pytest.mark.integration
@pytest.mark.usefixtures("messages_on_stderr")
def test_wrong_labels_are_left_out_of_a_run_and_counts_add_up(
    noisy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tiny(noisy, outpath=tmp_path / "run", **{**SETTINGS, "epochs": 6})
    run = train(config)
    everything = load_training_data(config).train
    shown = load_training_data(config.model_copy(update={"inject_noise": 0.0})).train
    rows = pq.read_table(run.path / "confident_learning.parquet").to_pydict()
    assert rows["name"] == everything.names()
    is_left_out = np.array(rows["verdict"]) == "left_out"
    is_wrong = everything.labels != shown.labels
    assert [("blue", "green", "red")[label] for label in everything.labels] == rows["label"]
    assert is_wrong[is_left_out].mean() > 0.75, "chance is a quarter"
    assert is_wrong[~is_left_out].mean() < 0.12
    assert set(rows["fold"]) == {0, 1}
    count = int(is_left_out.sum())
    assert f"confident learning: {count} of {len(everything)} training images left out (" in capfd.readouterr().err
    kept = data_of_run(run)
    assert kept.train.names() == [name for name, out in zip(rows["name"], is_left_out, strict=True) if not out]
    assert run.training_predictions().shape == (6, len(everything) - count)
    assert kept.holdout.names() == load_training_data(config).holdout.names()
    curves = write_fit_curves(run)
    assert curves["epochs"][-1]["wrong_labels"] == int(is_wrong[~is_left_out].sum())
    for fold in (0, 1):
        network = RunDirectory(run.path / "folds" / str(fold))
        names = pq.read_table(network.samples_path)["name"].to_pylist()
        assert names == [name for name, own in zip(rows["name"], rows["fold"], strict=True) if own != fold]
        assert network.log()[-1]["holdout"]["acc1"] > 50


@pytest.mark.integration
def test_a_run_goes_on_within_and_between_folds(
    noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(noisy, **{**SETTINGS, "epochs": 1, "student": True, "refit": True, "seed": 3})
    whole = train(config.model_copy(update={"outpath": tmp_path / "whole"}))
    stopped = config.model_copy(update={"outpath": tmp_path / "stopped"})
    parts = ("folds/0", "folds/1", "teacher", ".", "refit")
    for expected, steps in zip(parts, (2, 4, 6, 7, 7), strict=True):
        interrupt(stopped, steps, monkeypatch)
        newest = max(stopped.outpath.rglob("last.pt"), key=lambda path: path.stat().st_mtime_ns)
        assert newest == stopped.outpath / expected / "checkpoints" / "last.pt"
    train(stopped)
    for part in parts:
        assert_same_run(RunDirectory(whole.path / part), RunDirectory(stopped.outpath / part))
    paths = [root / "confident_learning.parquet" for root in (whole.path, stopped.outpath)]
    assert pq.read_table(paths[0]).equals(pq.read_table(paths[1]))
    kept = data_of_run(RunDirectory(stopped.outpath)).train.names()
    assert data_of_run(RunDirectory(stopped.outpath / "teacher")).train.names() == kept
    assert pq.read_table(stopped.outpath / "teacher" / "samples.parquet")["name"].to_pylist() == kept
    names = pq.read_table(stopped.outpath / "refit" / "samples.parquet")["name"].to_pylist()
    assert names[: len(kept)] == kept and len(names) == len(kept) + len(load_training_data(config).holdout)


def test_a_judgment_of_other_images_is_refused(noisy: Path, tmp_path: Path) -> None:
    config = tiny(noisy, outpath=tmp_path, **SETTINGS)
    path = confident_learning.judgment_path(RunDirectory(tmp_path))
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"confident_learning\.parquet: is missing or damaged; remove it and run"):
        train(config)
    data = load_training_data(config)
    judgment = judge(np.arange(9) % 3, np.zeros((9, 3), dtype=np.float32), np.arange(3))
    other = confident_learning.replace(data, train=data.train.select(np.arange(9)))
    confident_learning._write(path, other, np.zeros(9, dtype=np.int64), judgment)
    with pytest.raises(
        DataError, match=r"confident_learning\.parquet: is about other images; remove it, or choose"
    ):
        train(config)


def test_classes_that_lie_in_one_fold_cannot_be_judged(tmp_path: Path) -> None:
    make_class_folders(tmp_path / "candidate", 1, 0)
    with pytest.raises(DataError, match=r"has less than two classes with images in several folds.*raise --folds"):
        train(tiny(tmp_path, outpath=tmp_path / "run", confident_learning=True, holdout=0, stop="last_epoch"))
