"""Whole runs of every method: stopped and gone on with, they end as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import EvaluateConfig, LabelsConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.decoding import Images, Transform
from rawlabel.images.loader import Loader
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.judge.label_evidence.of_runs import gather_evidence
from rawlabel.models.checkpoint import load_checkpoint
from rawlabel.models.predictor import load_predictor
from rawlabel.training.around.holdout import data_of_run, predict_holdout
from rawlabel.training.around.refit import StepBudgetLoader
from rawlabel.training.data import load_training_data
from rawlabel.training.stage import train
from tests.helpers.interruption import interrupt
from tests.helpers.runs import assert_same_run
from tests.helpers.tiny_training import CLASSES, make_class_folders, tiny

pytestmark = pytest.mark.integration

PAST_WARM_UP = {"dividemix": {"method_option": ("warm_up_epochs=1", "unlabeled_weight=25"), "ema": 0.9}}
METHODS = [
    *((name, PAST_WARM_UP.get(name, {})) for name in families.names(Family.METHOD)),
    ("cross_entropy", {"method_option": ("mixup=1", "label_smoothing=0.1"), "ema": 0.9}),
    ("coteaching", {"ema": 0.9}),
]


@pytest.mark.parametrize(
    ("name", "settings"), METHODS, ids=[" ".join((name, *map(str, more.values()))) for name, more in METHODS]
)
def test_a_run_stopped_between_and_within_epochs_ends_as_an_uninterrupted_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, settings: dict[str, object]
) -> None:
    config = tiny(data, method=name, epochs=4, decay_epochs=2, test=None, **settings)
    whole = train(config.model_copy(update={"outpath": tmp_path / "whole"}))
    stopped = config.model_copy(update={"outpath": tmp_path / "stopped"})
    interrupt(stopped, 9, monkeypatch)  # 6 steps an epoch: in the second one
    saved = load_checkpoint(RunDirectory(tmp_path / "stopped").last_checkpoint)
    assert (saved["epoch"], saved["step"]) == (1, 3)
    interrupt(stopped, 3, monkeypatch)  # from step 3 on: before the end of the epoch is measured
    saved = load_checkpoint(RunDirectory(tmp_path / "stopped").last_checkpoint)
    assert (saved["epoch"], saved["step"]) == (1, 6)
    assert_same_run(whole, train(stopped))
    loss = [entry["train"]["loss"] for entry in whole.log()]
    assert np.isfinite(loss).all()


def test_the_average_of_the_weights_is_what_is_measured(data: Path, tmp_path: Path) -> None:
    plain = train(tiny(data, outpath=tmp_path / "plain", epochs=1), make_epoch_evaluator)
    averaged = train(tiny(data, outpath=tmp_path / "averaged", epochs=1, ema=0.99), make_epoch_evaluator)
    assert plain.log()[0]["train"] == averaged.log()[0]["train"]
    assert plain.log()[0]["holdout"]["loss"] != averaged.log()[0]["holdout"]["loss"]
    summary = evaluate(EvaluateConfig(run=averaged.path))
    assert summary.test.selected.top1.accuracy == pytest.approx(averaged.log()[0]["test"]["acc1"])


@pytest.fixture(scope="module")
def mislabeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders in which a fifth of the blue images are called red."""
    root = tmp_path_factory.mktemp("mislabeled")
    folder = make_class_folders(root / "candidate", 40, 1)
    make_class_folders(root / "test", 12, 2)
    for i in range(0, 40, 5):
        (folder / "blue" / f"{i:03d}.png").rename(folder / "red" / f"blue-{i:03d}.png")
    return root


def test_the_student_learns_what_the_teacher_predicts(mislabeled: Path, tmp_path: Path) -> None:
    config = tiny(mislabeled, outpath=tmp_path / "run", student=True, holdout=0.4, epochs=6, stop="last_epoch")
    run = train(config, make_epoch_evaluator)
    teacher = RunDirectory(run.path / "teacher")
    assert teacher.read().config.student is False
    data = load_training_data(config)
    everything = data.train.join(data.holdout)
    raw = np.concatenate([data.train.labels, data.holdout.labels])
    predictor, _, _ = load_predictor(teacher.selected_checkpoint)
    expected = predictor.logits(Images(everything.source, predictor.transform.stored_side, 1)).argmax(axis=1)
    labels = np.load(teacher.path / "predicted_labels.npy")
    assert (labels == expected).all()
    wrong = np.array(["blue-" in name for name in everything.names()])
    assert (labels[wrong] == 0).mean() > 0.5  # the teacher knows better than the label
    assert (labels[~wrong] == raw[~wrong]).mean() > 0.8
    # The student can fit its labels better than the teacher the raw ones, and both look at a raw holdout.
    assert run.log()[-1]["train"]["acc1"] > teacher.log()[-1]["train"]["acc1"]
    student, _, epoch = load_predictor(run.selected_checkpoint)
    guesses = student.logits(Images(data.holdout.source, student.transform.stored_side, 1)).argmax(axis=1)
    assert run.log()[-1]["holdout"]["acc1"] == pytest.approx(100 * (guesses == data.holdout.labels).mean())
    assert wrong[len(data.train) :].any()
    assert epoch == 5


def test_a_teachers_label_is_never_taken_for_a_raw_one(mislabeled: Path, tmp_path: Path) -> None:
    config = tiny(mislabeled, outpath=tmp_path / "run", student=True, refit=True, epochs=1, test=None)
    run = train(config)
    predicted = np.load(run.path / "teacher" / "predicted_labels.npy")
    for part in ("teacher", ".", "refit"):
        samples = pq.read_table(run.path / part / "samples.parquet").to_pydict()
        assert samples["label"] == [name.split("/")[0] for name in samples["name"]]  # the folder that it lies in
        if part == "teacher":
            assert "teacher_label" not in samples
        else:
            assert samples["teacher_label"] == [CLASSES[one] for one in predicted[: len(samples["name"])]]
            assert samples["teacher_label"] != samples["label"]
    gather_evidence(LabelsConfig(runs=(run.path,), device="cpu"))
    evidence = pq.read_table(run.path / "suspicion.parquet").to_pydict()
    assert set(evidence["basis"]) == {"held_out", "training"} and len(evidence["photo"]) == len(predicted)
    assert evidence["label"] == [photo.split("/")[0] for photo in evidence["photo"]]


def test_a_seed_that_is_drawn_is_the_teachers_too(mislabeled: Path, tmp_path: Path) -> None:
    config = tiny(mislabeled, outpath=tmp_path / "run", student=True, seed=None, epochs=1)
    run = train(config)
    seed = run.read().config.seed
    assert seed == RunDirectory(run.path / "teacher").read().config.seed
    (run.path / "summary.json").unlink()
    assert train(config).read().config.seed == seed


def test_a_student_goes_on_wherever_it_was_stopped(
    mislabeled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(mislabeled, epochs=2, student=True, refit=True, test=None, stop="last_epoch")
    whole = train(config.model_copy(update={"outpath": tmp_path / "whole"}))
    stopped = config.model_copy(update={"outpath": tmp_path / "stopped"})
    for expected in ("teacher", ".", "refit"):
        interrupt(stopped, 3 if expected == "teacher" else 12, monkeypatch)
        newest = max(stopped.outpath.rglob("last.pt"), key=lambda path: path.stat().st_mtime_ns)
        assert newest == stopped.outpath / expected / "checkpoints" / "last.pt"
    train(stopped)
    for part in ("teacher", ".", "refit"):
        assert_same_run(RunDirectory(whole.path / part), RunDirectory(stopped.outpath / part))


def test_what_a_refit_has_learned_cannot_judge_it(mislabeled: Path, tmp_path: Path) -> None:
    run = train(tiny(mislabeled, outpath=tmp_path / "run", refit=True, epochs=1, test=None))
    own, refit = (data_of_run(RunDirectory(run.path / part)) for part in (".", "refit"))
    assert len(own.holdout) > 0 == len(refit.holdout)
    assert len(refit.train) == len(own.train) + len(own.holdout)
    with pytest.raises(DataError, match=r"held nothing out; .* or name the run of which this is the refit"):
        predict_holdout(RunDirectory(run.path / "refit"))


def test_labels_of_other_images_are_refused(mislabeled: Path, tmp_path: Path) -> None:
    config = tiny(mislabeled, outpath=tmp_path / "run", student=True, epochs=1)
    train(config)
    (tmp_path / "run" / "summary.json").unlink()
    path = tmp_path / "run" / "teacher" / "predicted_labels.npy"
    np.save(path, np.zeros(3, dtype=np.int64))
    with pytest.raises(DataError, match=r"predicted_labels\.npy: holds labels of other images; remove it"):
        train(config)
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"predicted_labels\.npy: is no NumPy array file; remove it"):
        train(config)


def test_a_refit_uses_all_raw_data_for_as_many_steps(data: Path, tmp_path: Path) -> None:
    config = tiny(data, outpath=tmp_path / "run", epochs=5, holdout=0.4)
    run = train(config, make_epoch_evaluator)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    assert train(config.model_copy(update={"refit": True}), make_epoch_evaluator).path == run.path
    assert {path: path.stat().st_mtime_ns for path in before} == before
    refit, selected = RunDirectory(run.path / "refit"), run.summary().selected_epoch
    assert load_checkpoint(refit.last_checkpoint)["num_samples"] == 120
    assert [entry["epoch"] for entry in refit.log()] == list(range(selected + 1))
    assert [entry["lr"] for entry in refit.log()] == [entry["lr"] for entry in run.log()][: selected + 1]
    assert refit.log()[0]["holdout"] == {}
    summary = evaluate(EvaluateConfig(run=refit.path))
    assert summary.why == f"all 120 raw images, for the steps of the {selected + 1} epochs selected before"
    assert summary.test.selected.epoch == selected
    with pytest.raises(ConfigError, match=r"--student: .* was made with False, not True"):
        train(config.model_copy(update={"student": True}))


def test_a_step_budget_goes_on_through_the_passes(data: Path) -> None:
    config = tiny(data, holdout=0)
    images = Images(load_training_data(config).train.source.select(np.arange(25)), 16, 1)
    loader = Loader(images, Transform(16, "crop"), 4, 3, 1)  # 7 steps a pass, the last with one image is left out
    assert loader.num_steps == 6
    expected = [batch for number in range(3) for batch in loader.epoch(number)]
    budget = StepBudgetLoader(loader, 4)
    found = [batch for epoch in range(4) for batch in budget.epoch(epoch)]
    assert len(found) == 16
    for one, two in zip(found, expected, strict=False):
        assert torch.equal(one.sample_ids, two.sample_ids)
        assert torch.equal(one.views, two.views)
    late = list(budget.epoch(1, 3))
    assert [batch.sample_ids.tolist() for batch in late] == [found[7].sample_ids.tolist()]
    budget.close()


def test_weights_that_diverged_are_not_what_a_stopped_run_goes_on_from(
    mislabeled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(mislabeled, outpath=tmp_path / "run", lr=1e30, precision="fp32", test=None)
    with pytest.raises(ConfigError, match="--lr: the loss became"):
        interrupt(config, 3, monkeypatch)
    assert not RunDirectory(tmp_path / "run").last_checkpoint.exists()
