"""Checkpoints are written while training goes on, and nobody can tell from what they hold."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import TrainConfig
from rawlabel.errors import DiskError
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.training import checkpoint_writer
from rawlabel.training.checkpoint_writer import CheckpointWriter
from rawlabel.training.stage import train
from tests.helpers.processes import AtOpen, forked
from tests.helpers.runs import Crash, arguments, assert_same_run
from tests.helpers.tiny_training import tiny


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return train(tiny(data, outpath=tmp_path_factory.mktemp("whole") / "run"), make_epoch_evaluator)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that takes no checkpoint until the event is set."""
    ready, save = threading.Event(), checkpoint_writer.save_checkpoint

    def save_when_ready(*values: Any) -> None:
        assert ready.wait(240), "training waited for the disk"
        save(*values)

    monkeypatch.setattr(checkpoint_writer, "save_checkpoint", save_when_ready)
    yield ready
    ready.set()


def when_measured(epoch: int, act: Callable[[], object]) -> Callable[[TrainConfig, Any], Any]:
    """A maker of evaluators, as `train` takes one, that acts when the steps of an epoch are made."""

    def make(config: TrainConfig, training: Any) -> Any:
        evaluator, seen = make_epoch_evaluator(config, training), []
        assert evaluator is not None

        def measure(predictor: Any) -> dict[str, Any]:
            if len(seen) == epoch:
                act()
            seen.append(1)
            return evaluator(predictor)

        return measure

    return make


def test_the_next_epoch_is_trained_while_a_checkpoint_is_written(
    whole: RunDirectory, data: Path, tmp_path: Path, disk: threading.Event
) -> None:
    run = train(tiny(data, outpath=tmp_path / "run"), when_measured(1, disk.set))
    assert_same_run(whole, run)


def test_what_is_written_late_is_what_it_was(
    whole: RunDirectory, data: Path, tmp_path: Path, disk: threading.Event
) -> None:
    def crash() -> None:
        disk.set()
        raise Crash

    config = tiny(data, outpath=tmp_path / "run")
    with pytest.raises(Crash):
        train(config, when_measured(1, crash))
    # The checkpoint of the first epoch was written after the steps of the second.
    assert_same_run(whole, train(config, make_epoch_evaluator))


@pytest.mark.parametrize("failing", [1, 4])
def test_what_fails_in_the_background_ends_the_run(
    whole: RunDirectory, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    save, calls = checkpoint_writer.save_checkpoint, []

    def refuse(path: Path, *values: Any) -> None:
        calls.append(1)
        if len(calls) == failing:
            raise DiskError(f"{path}: the disk is full")
        save(path, *values)

    config = tiny(data, outpath=tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_writer, "save_checkpoint", refuse)
        with pytest.raises(DiskError, match=r"last\.pt: the disk is full"):
            train(config, make_epoch_evaluator)
    assert len(calls) == failing
    assert not (tmp_path / "run" / "summary.json").exists()
    assert_same_run(whole, train(config, make_epoch_evaluator))


def test_a_failure_is_told_at_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise DiskError("full")

    monkeypatch.setattr(checkpoint_writer, "save_checkpoint", refuse)
    with CheckpointWriter(RunDirectory(tmp_path)) as writer:
        writer.check()  # nothing is under way
        writer.save({}, {}, {})
        with pytest.raises(DiskError, match="full"):
            while True:
                writer.check()
        writer.check()  # told once


def test_the_thread_that_writes_starts_no_threads_of_torch(tmp_path: Path) -> None:
    """With more of them than cores, those that train would sleep at every barrier."""
    before, large = torch.get_num_threads(), torch.ones(64, 64, 32, 32).to(memory_format=torch.channels_last)
    torch.set_num_threads(2)
    try:
        large.contiguous()  # starts those of this thread
        threads = psutil.Process().num_threads()
        with CheckpointWriter(RunDirectory(tmp_path)) as writer:
            writer.save({"one": large}, {"epoch": 0}, {"step": 0, "momentum": large})
            writer.finish()
            assert psutil.Process().num_threads() <= threads + 1
    finally:
        torch.set_num_threads(before)


def test_kill_9_at_each_file_of_a_checkpoint_ends_as_an_uninterrupted_run(
    whole: RunDirectory, data: Path, tmp_path: Path
) -> None:
    run, codes = RunDirectory(tmp_path / "run"), []
    folder = run.last_checkpoint.parent
    # An epoch opens two or three files: the selected weights, if they are, the last ones, and the state.
    for number in range(1, 20):
        codes.append(forked(arguments(data, run.path), by_self=AtOpen(number, folder)).code)
        if codes[-1] == 0:
            break
    assert codes[:-1] == [-signal.SIGKILL] * len(codes[:-1])
    assert len(codes) > 4
    assert codes[-1] == 0
    assert_same_run(whole, run)


def test_a_second_process_is_kept_out_of_a_run(whole: RunDirectory, data: Path, tmp_path: Path) -> None:
    run, said = RunDirectory(tmp_path / "run"), []

    def try_too() -> None:
        said.append(forked(arguments(data, run.path)))

    assert_same_run(whole, train(tiny(data, outpath=run.path), when_measured(1, try_too)))
    assert said[0].code == 2
    assert said[0].last_line() == (
        f"rawlabel: --outpath: {run.path} is being trained by another process; wait for it, or choose another"
    )


def test_what_a_killed_process_left_half_written_is_removed(data: Path, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    # The third file of a checkpoint is the state, which takes its name last.
    assert forked(arguments(data, run.path), by_self=AtOpen(3, run.last_checkpoint.parent)).code < 0
    (run.last_checkpoint.parent / ".last.pt.1234.part").write_bytes(b"half")
    assert forked(arguments(data, run.path)).code == 0
    assert not list(run.path.rglob(".*.part"))
