"""Whole runs with the published flags: each is resumable to the bit, and each leaves what it says."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.errors import CheckpointError, ConfigError, Interrupted
from rawlabel.judge.evaluate.one_checkpoint import evaluate_checkpoint
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.checkpoint import load_checkpoint
from rawlabel.models.networks.building import build_network
from rawlabel.training import loop
from rawlabel.training.measuring.statistics import RunningStatistics
from rawlabel.training.measuring.step_lines import StepLines
from rawlabel.training.stage import train
from tests.helpers.published_settings import PUBLISHED
from tests.helpers.runs import assert_same_run
from tests.helpers.tiny_training import make_class_folders, tiny

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("few")
    make_class_folders(root / "candidate", 20, 1)
    make_class_folders(root / "test", 6, 2)
    return root


class StoppedInTheSecondEpoch(StepLines):
    """SIGTERM comes with the first step of epoch 1."""

    def done(self, step: int, statistics: RunningStatistics) -> None:
        super().done(step, statistics)
        if (self._epoch, step) == (1, 0):
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "knobs",
    [
        {"opt": "lbfgs", "lr": 0.1, "batch_size": 24, "track_weights": "change"},
        {"opt": "adam", "method": "sop", "lr": 1e-3, "lr_schedule": "cosine", "warmup_epochs": 0.5,
         "weight_decay_on": "matrices"},
        {"nesterov": True, "use_inverse_sqrt_lr": True, "loss": "l2", "track_weights": "filters",
         "weight_decay_on": "matrices"},
        {"schedule_lr": True, "cycle_steps": 3, "scale_lr": 2.0, "compute_jacobian": True, "norandomflip": True},
    ],
    ids=lambda knobs: next(iter(knobs)),
)  # fmt: skip
def test_stopped_in_the_middle_of_an_epoch_a_run_goes_on_to_the_bit(
    few: Path, tmp_path: Path, knobs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"epochs": 2, "precision": "fp32", **knobs}
    whole = train(tiny(few, outpath=tmp_path / "whole", **values), make_epoch_evaluator)
    config = tiny(few, outpath=tmp_path / "run", **values)
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(loop, "StepLines", StoppedInTheSecondEpoch)
        train(config, make_epoch_evaluator)
    assert load_checkpoint(RunDirectory(config.outpath or tmp_path).last_checkpoint)["step"] == 1
    again = train(config, make_epoch_evaluator)
    assert_same_run(whole, again)
    entry = whole.log()[-1]
    if knobs.get("compute_jacobian"):
        assert set(entry["J_norm"]) > {"conv", "head"}
        assert all(value > 0 for value in entry["J_norm"].values())
    if knobs.get("track_weights"):
        assert max(entry["weight_change"].values()) > 0
    if knobs.get("track_weights") == "filters":
        files = sorted((again.path / "filter_weights").iterdir())
        assert [path.name for path in files] == ["00000.npz", "00001.npz"]
        for path in files:
            with np.load(path) as stored, np.load(whole.path / "filter_weights" / path.name) as expected:
                assert stored["conv"].shape == (16, 3) and (stored["conv"] == expected["conv"]).all()


def test_another_runs_checkpoint_is_gone_on_from(few: Path, tmp_path: Path) -> None:
    whole = train(tiny(few, outpath=tmp_path / "whole", epochs=3, decay_epochs=9), make_epoch_evaluator)
    first = train(tiny(few, outpath=tmp_path / "first", epochs=2, decay_epochs=9), make_epoch_evaluator)
    longer = tiny(few, outpath=tmp_path / "longer", epochs=3, decay_epochs=9, resume=str(first.path))
    gone_on = train(longer, make_epoch_evaluator)
    assert_same_run(whole, gone_on)
    kept = [run.training_predictions() for run in (whole, gone_on)]
    assert kept[0] is not None and kept[1] is not None
    assert (kept[0] == kept[1]).all()
    with pytest.raises(CheckpointError, match="belongs to other training data"):
        train(longer.model_copy(update={"outpath": tmp_path / "other", "main": "test"}))


def published_checkpoint(path: Path, epoch: int) -> Path:
    """As the published trainer writes it: weights under DataParallel, the optimizer, the best accuracy."""
    torch.manual_seed(1)
    network = torch.nn.DataParallel(build_network("cifar_resnet8", 3))
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    content = {
        "epoch": epoch, "arch": "resnet50", "state_dict": network.state_dict(), "best_acc1": torch.tensor(3.0),
        "optimizer": optimizer.state_dict(),
    }  # fmt: skip
    torch.save(content, path)
    return path


def test_a_published_checkpoint_brings_its_weights_and_its_epoch(few: Path, tmp_path: Path) -> None:
    path = published_checkpoint(tmp_path / "checkpoint.pth.tar", 2)
    still = {"lr": 1e-30, "weight_decay": 0.0, "epochs": 3, "precision": "fp32", "track_weights": "norm"}
    run = train(tiny(few, outpath=tmp_path / "run", resume=str(path), **still), make_epoch_evaluator)
    assert [entry["epoch"] for entry in run.log()] == [2]
    expected = torch.load(path, weights_only=True)["state_dict"]["module.head.weight"].norm()
    assert run.log()[0]["w_norm"]["head"] == pytest.approx(float(expected))
    with pytest.raises(ConfigError, match="--epochs: the run would start at epoch 2 of 2; raise it"):
        train(tiny(few, outpath=tmp_path / "none", resume=str(path), epochs=2))
    with pytest.raises(CheckpointError, match="holds weights of another network or other classes; check --model"):
        train(tiny(few, outpath=tmp_path / "wider", resume=str(path), num_planes=8))


@pytest.mark.parametrize(
    "content", [b"no checkpoint", {"epoch": 3}, {"state_dict": {"a": "text"}}, {"f": os.getcwd}]
)
def test_what_is_no_checkpoint_is_not_gone_on_from(few: Path, tmp_path: Path, content: Any) -> None:
    path = tmp_path / "foreign.pth.tar"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"--resume: .*foreign\.pth\.tar (is|holds) .*; name a"):
        train(tiny(few, outpath=tmp_path / "run", resume=str(path), epochs=1))


def test_the_published_command_with_the_published_file(
    few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A resumed run's file, whose checkpoint is not there: said once, and trained anew; then --evaluate."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(PUBLISHED | {"start_epoch": 89, "resume": "no/checkpoint_epoch89.pth.tar"}))
    run = RunDirectory(tmp_path / "run")
    common = ["train", "-c", str(file), "--root", str(few), "--outpath", str(run.path), "--model", "cifar_resnet8"]
    common += ["--image-size", "16", "--batch-size", "8", "--seed", "1", "--epochs", "2", "--track-correct"]
    flags = ["--print-freq", "2", "--track-weights", "--details", "a try", "--dr", "0.5"]
    code, trained = cli.run([*common, *flags]), capsys.readouterr()
    assert code == 0, trained.err
    assert trained.err.count("no/checkpoint_epoch89.pth.tar: no such checkpoint; goes on without it") == 1
    lines = [line.split("\t")[0] for line in trained.out.splitlines() if line.startswith("Epoch:")]
    steps = (len([1 for line in lines if line.startswith("Epoch: [0]")]), len(lines))
    assert steps[0] == steps[1] / 2 >= 3
    assert [entry["epoch"] for entry in run.log()] == [0, 1]
    assert set(run.log()[0]["w_norm"]) > {"conv", "head"}
    assert run.read().given["details"] == "a try"
    right = json.loads((run.path / "correct.json").read_text())
    assert 100 * len(right["correct"]) / 18 == pytest.approx(run.log()[-1]["test"]["acc1"])
    assert len(right["names"]) == len(right["correct"])

    before = run.last_checkpoint.stat().st_mtime_ns
    code, selected = cli.run([*common, *flags, "--evaluate"]), capsys.readouterr()
    assert code == 0, selected.err
    entry = run.log()[run.summary().selected_epoch]
    assert f" * Acc@1 {entry['test']['acc1']:.3f}\n" in selected.out
    assert run.last_checkpoint.stat().st_mtime_ns == before
    assert (run.path / "test-ledger.jsonl").exists()


@pytest.mark.parametrize("how", ["a file is in the way", "not writable", "not to be looked into"])
def test_a_published_file_with_the_authors_outpath_asks_for_ones_own_at_once(
    how: str, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "dockspace"
    if how == "a file is in the way":
        theirs.write_text("no folder")
    elif how == "not writable":
        monkeypatch.setattr(
            os, "access", lambda path, mode: not (mode & os.W_OK and tmp_path in Path(path, "x").parents)
        )
    else:
        exists = Path.exists

        def refuse(path: Path, **options: Any) -> bool:
            if theirs in path.parents:
                raise PermissionError(13, "Permission denied", str(path))
            return exists(path, **options)

        monkeypatch.setattr(Path, "exists", refuse)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(PUBLISHED | {"outpath": str(theirs / "results" / "2020-01-31-03-57-27")}))
    assert cli.run(["train", "--config", str(file), "--root", str(few)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rawlabel: --outpath: {theirs / 'results'}") and said.count("\n") == 1
    assert "name a run directory of your own with --outpath" in said


def test_evaluate_measures_the_checkpoint_that_it_is_given(few: Path, tmp_path: Path) -> None:
    run = train(tiny(few, outpath=tmp_path / "run", epochs=2, lr=0.05), make_epoch_evaluator)
    last = evaluate_checkpoint(tiny(few, outpath=tmp_path / "run", resume=str(run.last_checkpoint)))
    assert (last.epoch, last.top1) == (1, pytest.approx(run.log()[1]["test"]["acc1"]))
    path = published_checkpoint(tmp_path / "checkpoint.pth.tar", 5)
    config = tiny(few, resume=str(path), outpath=tmp_path / "published", track_correct=True)
    published = evaluate_checkpoint(config)
    assert (published.epoch, published.images) == (4, 18)
    right = json.loads((tmp_path / "published" / "correct.json").read_text())["correct"]
    assert published.top1 == pytest.approx(100 * len(right) / 18)
    with pytest.raises(CheckpointError, match="no such checkpoint; train first"):
        evaluate_checkpoint(tiny(few, outpath=tmp_path / "absent"))
    with pytest.raises(ConfigError, match="--test: --evaluate needs a test set"):
        evaluate_checkpoint(tiny(few, test=None))
