"""The trials of an experiment: one after the other, or several at a time, each in a process of its own.

On a processor, two small trainings of one thread each are done sooner than one of two threads after the other: the
threads of one small step spend most of their time waiting for each other.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch

from rawlabel.base import messages, processes
from rawlabel.base.progress import progress
from rawlabel.base.signals import interrupts_blocked, stop_requests, unblock_interrupts
from rawlabel.base.spawning import spawn_context
from rawlabel.config import ExperimentConfig, TrainConfig
from rawlabel.errors import RawlabelError
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.device import choose_device
from rawlabel.training.data import TrainingData
from rawlabel.training.loop import EpochEvaluator
from rawlabel.training.stage import train

_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Trial:
    """One training, and the row of the table that it belongs to."""

    row: str
    config: TrainConfig
    is_compared: bool = True
    """Whether test images are looked for among its own, and it is calibrated for use: each takes longer than the
    training of a head."""

    def __str__(self) -> str:
        return f"{self.row}, seed {self.config.seed}"


@dataclass(frozen=True)
class _Running:
    """A trial at work, and where it writes what it says."""

    trial: Trial
    process: SpawnProcess
    log: Path


def train_all(trials: Sequence[Trial], config: ExperimentConfig) -> None:
    """Train what is not trained yet, as many at a time as `config` says.

    Raises what `rawlabel.training.stage.train` raises.
    """
    jobs = min(config.jobs or _usual_jobs(config.device), len(trials))
    if jobs > 1:
        return _train_side_by_side(trials, jobs, config.out / "logs")
    for number, trial in enumerate(trials):
        messages.inform(f"trial {number + 1} of {len(trials)}: {trial}")
        _train(trial)
    return None


def _train(trial: Trial) -> None:
    def make(config: TrainConfig, data: TrainingData) -> EpochEvaluator | None:
        return make_epoch_evaluator(
            config if trial.is_compared else config.model_copy(update={"outpath": None}), data
        )

    train(trial.config, make, is_for_use=trial.is_compared)


def _usual_jobs(device: str) -> int:
    """One a core on a processor; a GPU is best used by one."""
    return processes.cores() if choose_device(device).type == "cpu" else 1


def _train_side_by_side(trials: Sequence[Trial], jobs: int, logs: Path) -> None:
    """Train all `trials`, `jobs` at a time; what each says goes to a file in `logs`.

    Ctrl-C and SIGTERM are passed on, so that each trial in progress leaves a checkpoint. Raises `RawlabelError`
    with the last words of a trial that failed, after the others have been stopped in the same way, and
    `Interrupted`.
    """
    logs.mkdir(parents=True, exist_ok=True)
    waiting, running = list(reversed(trials)), list[_Running]()
    with stop_requests() as request, progress("trials", len(trials)) as task:
        try:
            while waiting or running:
                while waiting and len(running) < jobs and not request:
                    running.append(_start(waiting.pop(), max(1, processes.cores() // jobs), logs))
                if request:
                    request.obey()
                connection.wait([one.process.sentinel for one in running], _SECONDS_BETWEEN_LOOKS)
                for one in [one for one in running if not one.process.is_alive()]:
                    running.remove(one)
                    _refuse_failure(one)
                    task.advance(note=f"last: {one.trial}")
        finally:
            for one in running:
                one.process.terminate()
            for one in running:
                one.process.join()


def _start(trial: Trial, threads: int, logs: Path) -> _Running:
    assert trial.config.outpath is not None
    log = logs / f"{trial.config.outpath.name}.log"
    process = spawn_context().Process(target=_train_alone, args=(trial, threads, log, os.getpid()))
    # Until the process has left the terminal's group, a Ctrl-C waits.
    with interrupts_blocked():
        process.start()
    return _Running(trial, process, log)


def _refuse_failure(one: _Running) -> None:
    code = one.process.exitcode
    if code == 0:
        return
    if code == -processes.KILL:
        raise RawlabelError(f"{one.trial}: was killed, perhaps for want of memory; go on with fewer --jobs")
    said = one.log.read_text("utf-8").strip().splitlines() if one.log.exists() else []
    raise RawlabelError(f"{one.trial}: {said[-1] if said else f'ended with {code}'} (all it said is in {one.log})")


def _train_alone(trial: Trial, threads: int, log: Path, parent: int) -> None:
    """Train in a process of its own, which ends with the one that wants the table."""
    # A Ctrl-C goes to all processes of a terminal; the one that wants the table passes it on, once.
    if hasattr(os, "setsid"):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unblock_interrupts()
    processes.end_with_parent(parent, signal.SIGTERM)
    torch.set_num_threads(threads)
    with log.open("w", encoding="utf-8", buffering=1) as stream, redirect_stderr(stream), messages.on_stderr():
        try:
            _train(trial)
        except RawlabelError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.exit_code)
