"""Several processes make the run that one process makes, and end and go on as one does."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Start, Summary
from rawlabel.base import distributed, processes
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.checkpoint import load_weights
from rawlabel.training.stage import train
from tests.helpers.distributed_runs import make_runs
from tests.helpers.processes import AtStep
from tests.helpers.runs import arguments, assert_same_run, numbers
from tests.helpers.several_processes import Launched, train_by_command
from tests.helpers.tiny_training import make_class_folders, tiny

# No batch norm, whose statistics are those of a share.
PLAIN: dict[str, Any] = {"epochs": 2, "precision": "fp32", "model": "timm/test_convnext", "image_size": 32}
KILLED: dict[str, Any] = {"epochs": 8, "batch_size": 4, "decay_epochs": 9}
RUNS: dict[str, dict[str, Any]] = {
    "cross_entropy": {**PLAIN, "train_size": 42},
    "gce": {**PLAIN, "method": "gce", "epochs": 1},
    "sce": {**PLAIN, "method": "sce", "epochs": 1},
    "sop": {**PLAIN, "method": "sop"},
    "elr": {**PLAIN, "method": "elr"},
    "sop_plus": {**PLAIN, "method": "sop_plus"},
    "coteaching": {**PLAIN, "method": "coteaching"},
    "dividemix": {**PLAIN, "method": "dividemix", "method_option": ["warm_up_epochs=1", "unlabeled_weight=25"]},
    "gjs in parts": {**PLAIN, "method": "gjs", "accumulate": 3},
    "student": {
        **PLAIN, "method_option": ["mixup=1"], "student": True, "refit": True, "ema": 0.9, "stop": "label_wave",
        "train_accuracy": ["probe", "augmented"], "confident_learning": True,
    },
    "in fp32": {**PLAIN, "epochs": 3},
    "in bf16": {**PLAIN, "epochs": 3, "exchange": "bf16"},
    "batch norm": {"epochs": 6, "precision": "fp32", "ema": 0.5},
    "whole": {"epochs": 3, "ema": 0.5},
    "stopped": {"epochs": 3, "ema": 0.5, "is_stopped": True},
    "whole of the killed": KILLED,
    "killed": KILLED,
}  # fmt: skip


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of which a part of the labels is wrong, so that the memory of samples matters."""
    root = tmp_path_factory.mktemp("noisy")
    folder = make_class_folders(root / "candidate", 20, 1)
    for one, other in (("red", "blue"), ("blue", "green"), ("green", "red")):
        for number in range(4):
            shutil.move(folder / one / f"{number:03d}.png", folder / other / f"from_{one}_{number}.png")
    make_class_folders(root / "test", 6, 2)
    return root


def train_until(rank: str, step: str, number: str, *words: str) -> None:
    """What each process runs, of which one sends itself a signal before it makes so many steps.

    One that watches from outside may be late on a busy machine, where the run has ended by then.
    """
    if os.environ["RANK"] == rank:
        AtStep(int(step), signal.Signals(int(number))).prepare()
    train_by_command(*words)


class Unfinished(NamedTuple):
    run: RunDirectory
    said_when_stopped: str
    codes_when_stopped: list[str]
    killed: dict[int, str]
    """What was said, by the rank that was killed."""


@pytest.fixture(scope="module")
def unfinished(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Unfinished:
    """A run of which one process was told to stop, and that went on until one process was killed, and another."""
    run, said = RunDirectory(tmp_path_factory.mktemp("unfinished")), tmp_path_factory.mktemp("said")

    def until(folder: str, rank: int, number: signal.Signals) -> tuple[str, list[str]]:
        """What the processes said of a start that gets into the second epoch from where it begins."""
        before, words = len(run.log()), arguments(noisy, run.path, **KILLED)
        launched = Launched(said / folder, train_until, str(rank), "18", str(number.value), *words)
        # Longer than any wait of the other for the one that is gone would be a hang.
        heard = launched.end(600)
        assert len(run.log()) > before, heard
        return heard, launched.codes()

    said_when_stopped, codes = until("stopped", 1, signal.SIGTERM)
    killed = {rank: until(f"killed {rank}", rank, signal.SIGKILL)[0] for rank in (1, 0)}
    return Unfinished(run, said_when_stopped, codes, killed)


def spoken(said: str) -> str:
    """Without how long the steps will take, which is said where the first ones took seconds."""
    return re.sub(r"^rawlabel: the steps will take about .*\n", "", said, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def two(
    noisy: Path, unfinished: Unfinished, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], RunDirectory]:
    """All runs, by two processes; they start once, for that is what takes long."""
    out = tmp_path_factory.mktemp("two")
    assert not (unfinished.run.path / "summary.json").exists(), "it was too fast to be killed"
    places = {name: out / str(number) for number, name in enumerate(RUNS)} | {"killed": unfinished.run.path}
    changes = [json.dumps({**one, "outpath": str(places[name])}) for name, one in RUNS.items()]
    launched = Launched(out / "launched", make_runs, noisy, out, *changes)
    said = launched.end(800)
    assert launched.codes() == ["0", "0"], said
    assert said.count("selected epoch ") == len(RUNS), said
    return lambda name: RunDirectory(places[name])


@pytest.mark.integration
@pytest.mark.parametrize(
    "name", [name for name in RUNS if RUNS[name].get("model") == PLAIN["model"] and not name.startswith("in ")]
)
def test_two_processes_make_the_run_of_one(
    name: str, two: Callable[[str], RunDirectory], noisy: Path, tmp_path: Path
) -> None:
    one = train(tiny(noisy, outpath=tmp_path / "one", **RUNS[name]), make_epoch_evaluator)
    parts = ["folds/0", "folds/1", "", "teacher", "refit"] if RUNS[name].get("student") else [""]
    for part in parts:
        first, second = RunDirectory(one.path / part), RunDirectory(two(name).path / part)
        assert numbers(second.log()) == pytest.approx(numbers(first.log()), rel=1e-3, abs=1e-4)
        assert second.summary() == first.summary()
        for mine, theirs in (
            (first.last_weights, second.last_weights),
            (first.selected_checkpoint, second.selected_checkpoint),
        ):
            torch.testing.assert_close(
                load_weights(theirs)["method"], load_weights(mine)["method"], rtol=1e-4, atol=1e-5
            )


@pytest.mark.integration
def test_gradients_exchanged_in_bfloat16_are_rounded(two: Callable[[str], RunDirectory]) -> None:
    whole, rounded = (load_weights(two(name).last_weights)["method"] for name in ("in fp32", "in bf16"))
    apart = torch.stack([(rounded[key] - whole[key]).norm() for key in whole if whole[key].is_floating_point()])
    size = torch.stack([whole[key].norm() for key in whole if whole[key].is_floating_point()])
    assert 1e-7 < apart.norm() / size.norm() < 1e-2
    losses = [[entry["train"]["loss"] for entry in two(name).log()] for name in ("in fp32", "in bf16")]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]


@pytest.mark.integration
def test_batch_norm_is_close(two: Callable[[str], RunDirectory], noisy: Path, tmp_path: Path) -> None:
    """Its statistics are those of a share, 8 images of 16, so the runs part; they learn the same."""
    one = train(tiny(noisy, outpath=tmp_path / "one", **RUNS["batch norm"]), make_epoch_evaluator)
    first, second = one.log()[-1], two("batch norm").log()[-1]
    assert second["test"]["acc1"] == pytest.approx(first["test"]["acc1"], abs=12)
    assert second["train"]["loss"] == pytest.approx(first["train"]["loss"], rel=0.35)
    weights = load_weights(two("batch norm").last_weights)["method"]
    before = load_weights(one.last_weights)["method"]
    drift = torch.stack(
        [(weights[key] - before[key]).norm() / before[key].norm() for key in before if "mean" in key]
    )
    assert 0 < drift.max() < 0.6


@pytest.mark.integration
@pytest.mark.parametrize(("whole", "other"), [("whole", "stopped"), ("whole of the killed", "killed")])
def test_an_interrupted_run_of_two_ends_as_if_nothing_had_happened(
    whole: str, other: str, two: Callable[[str], RunDirectory]
) -> None:
    assert_same_run(two(whole), two(other))


@pytest.mark.integration
def test_when_one_process_is_told_to_stop_all_do(unfinished: Unfinished) -> None:
    said = spoken(unfinished.said_when_stopped)
    assert said.count("rawlabel: ") == said.count("rawlabel: stopped; the same command goes on from here") == 1, (
        said
    )
    assert unfinished.codes_when_stopped == ["143", "143"], said
    assert "src/rawlabel" not in said, said


@pytest.mark.integration
@pytest.mark.parametrize("rank", [0, 1])
def test_when_one_process_is_killed_the_other_ends(rank: int, unfinished: Unfinished) -> None:
    """The first, which writes, or another; that none hung, the waiting for its end has seen."""
    said = spoken(unfinished.killed[rank])
    # torchrun sends it SIGTERM as soon as it has seen the loss, perhaps before the process itself has.
    outcomes = ("the same command goes on from the last checkpoint", "stopped; the same command goes on from here")
    heard = said.count("rawlabel: stopping as soon as what is under way is finished")
    assert said.count("rawlabel: ") - heard == sum(said.count(one) for one in outcomes) == 1, said
    assert "RuntimeError" not in said, said
    assert "src/rawlabel" not in said, said


@pytest.mark.integration
def test_by_torchrun_one_process_says_what_is_wrong(noisy: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "rawlabel", "train", "--root", noisy, "--main", "absent", "--device", "cpu"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    said = ended.stdout
    assert ended.returncode != 0
    lines = [line for line in said.splitlines() if line.startswith("rawlabel: ")]
    assert len(lines) == 1 and "absent: no such folder" in lines[0], said
    assert "exitcode  : 2" in said
    assert "src/rawlabel" not in said, said


@given(size=st.integers(1, 40), count=st.integers(1, 6))
def test_shares_are_even_and_make_the_batch(size: int, count: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(distributed, "_group", object())
        patched.setenv("WORLD_SIZE", str(count))
        shares = []
        for rank in range(count):
            patched.setenv("RANK", str(rank))
            shares.append(distributed.own_rows(size))
    assert len({len(one) for one in shares}) == 1
    assert len(shares[0]) >= 2, "batch norm cannot use one image"
    assert torch.cat(shares)[:size].tolist() == list(range(size))
    assert torch.cat(shares).max() < size


def test_a_batch_must_be_shared_fairly(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed.check_batch_size(3)
    monkeypatch.setattr(distributed, "_group", object())
    monkeypatch.setenv("WORLD_SIZE", "4")
    distributed.check_batch_size(8)
    for batch_size in (4, 10):
        with pytest.raises(ConfigError, match=f"--batch-size: {batch_size} images .* by 4; give a multiple of 4"):
            distributed.check_batch_size(batch_size)


@pytest.mark.parametrize(("rank", "is_first"), [("0", True), ("1", False)])
@pytest.mark.usefixtures("messages_on_stderr")
def test_the_first_process_writes(
    rank: str, is_first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from rawlabel.base.progress import progress

    monkeypatch.setattr(processes, "_state", processes._State())
    for name, value in (("WORLD_SIZE", "2"), ("RANK", rank)):
        monkeypatch.setenv(name, value)
    processes.join()
    run = RunDirectory(tmp_path / "run")
    run.start(TrainConfig(), Start())
    run.log_epoch({"epoch": 0})
    run.log_timing(epoch=0)
    run.write_summary(Summary(selected_epoch=0))
    with progress("training", 1):
        pass
    written = sorted(path.name for path in tmp_path.rglob("*.json*"))
    assert written == (["config.json", "environment.json", "log.json", "summary.json", "timing.jsonl"] * is_first)
    assert bool(capfd.readouterr().err) == is_first
