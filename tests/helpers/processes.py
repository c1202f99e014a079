"""Run `rawlabel` as its own process, and end it in hard ways."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from rawlabel import cli
from rawlabel.models import precision
from tests.helpers.trials import fp32_is_faster

FORKS = multiprocessing.get_context("forkserver")
_LOADED = (
    "rawlabel.cli.verbs.collect",
    "rawlabel.cli.verbs.train",
    "rawlabel.gather.collect.session",
    "rawlabel.judge.evaluate.stage",
    "rawlabel.training.loop",
    "rawlabel.models.networks.staged_resnet",
    "rawlabel.judge.decontaminate.decontaminating",
    "rawlabel.show.report.stage",
    "timm",
    "torch._dynamo",
    "torch.distributed.launcher.api",
    "pandas",
    "matplotlib.pyplot",
)
"""What the stages load, that which they load when it is needed included."""
_SECONDS = 600
"""For what hangs: a machine that does ten other things at once needs minutes for what takes seconds."""
FORKS.set_forkserver_preload(list(_LOADED))


@dataclass
class Ended:
    code: int
    out: str
    err: str

    def last_line(self) -> str:
        """The last line on the standard error, which is where an error says what is wrong."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rawlabel", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ) | environment
    )


def rawlabel(*arguments: str | Path, **environment: str) -> Ended:
    """Run the command to its end."""
    with _ending(start(*arguments, **environment)) as process:
        out, err = process.communicate(timeout=_SECONDS)
        return Ended(process.returncode, out, err)


@contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """It does not outlive the block, whatever fails there: it would disturb the next test."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def end_by_signal(
    number: signal.Signals, when: Callable[[], bool], arguments: Sequence[str | Path], **environment: str
) -> Ended:
    """Start the command and send the signal as soon as `when` is true; it may also end by itself before."""
    with _ending(start(*arguments, **environment)) as process:
        deadline = time.monotonic() + _SECONDS
        while process.poll() is None and not when():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=_SECONDS)
        return Ended(process.returncode, out, err)


class BySelf:
    """What a forked process does to end itself; one that watches from outside may be late on a busy machine."""

    def prepare(self) -> None:
        """Called in the process before the command."""
        raise NotImplementedError


@dataclass
class AtOpen(BySelf):
    """Kills itself as it opens its file of this number under this folder."""

    number: int
    folder: Path

    def prepare(self) -> None:
        opened = itertools.count(1)

        def kill(event: str, details: tuple[object, ...]) -> None:
            if event != "open" or not str(details[0]).startswith(f"{self.folder}/"):
                return
            if next(opened) == self.number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)


@dataclass
class AtStep(BySelf):
    """Sends itself a signal before it makes the training step of this number, from 0, since it started."""

    number: int
    signal: signal.Signals

    def prepare(self) -> None:
        from rawlabel.training.loop import Trainer

        step, steps = Trainer.train_step, itertools.count()

        def train_step(trainer: Trainer, batch: Any) -> None:
            if next(steps) == self.number:
                os.kill(os.getpid(), self.signal)
            step(trainer, batch)

        Trainer.train_step = train_step  # type: ignore[method-assign]


@dataclass
class AfterEpoch(BySelf):
    """Kills itself so many seconds after it has logged this epoch or a later one: from a thread, so anywhere.

    At the latest before it logs the next, as one that is faster than those seconds say would go on to its end.
    """

    epoch: int
    seconds: float

    def prepare(self) -> None:
        from rawlabel.artifacts.run_directory import RunDirectory

        log, is_logged = RunDirectory.log_epochs, threading.Event()

        def log_epochs(run: RunDirectory, entries: Any) -> None:
            if is_logged.is_set():
                os.kill(os.getpid(), signal.SIGKILL)
            log(run, entries)
            if any(entry["epoch"] >= self.epoch for entry in entries):
                is_logged.set()

        def kill() -> None:
            is_logged.wait()
            time.sleep(self.seconds)
            os.kill(os.getpid(), signal.SIGKILL)

        RunDirectory.log_epochs = log_epochs  # type: ignore[method-assign]
        threading.Thread(target=kill, daemon=True).start()


def forked(
    arguments: Sequence[str | Path],
    number: signal.Signals = signal.SIGKILL,
    when: Callable[[], bool] = lambda: False,
    by_self: BySelf | None = None,
    **environment: str,
) -> Ended:
    """As `rawlabel` or `end_by_signal`, several seconds faster: the process is forked with all modules loaded."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("out", "err")]
        for path in said:
            # One that is killed before its first line has said nothing.
            path.touch()
        # The server of the forks has the environment of the test that happened to start it.
        variables = dict(os.environ) | environment
        # What is forked ignores Ctrl-C at first, as its server does: a signal waits for the command to begin.
        begun = Path(folder, "begun")
        process = FORKS.Process(target=_main, args=(list(map(str, arguments)), variables, said, begun, by_self))
        process.start()
        try:
            deadline = time.monotonic() + _SECONDS
            while process.exitcode is None and not (begun.exists() and when()):
                assert time.monotonic() < deadline
                process.join(0.01)
            _signal(process, number)
            process.join(_SECONDS)
            code = process.exitcode
            assert code is not None
        finally:
            # It does not outlive the call, whatever fails here: it would disturb the next test.
            _signal(process, signal.SIGKILL)
            process.join(_SECONDS)
            process.close()
        return Ended(code, *(path.read_text("utf-8") for path in said))


def _signal(process: ForkServerProcess, number: signal.Signals) -> None:
    """Unless it has ended; it may, and the server of the forks may have waited for it, at this very moment."""
    if process.exitcode is None and process.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _main(
    arguments: list[str], variables: dict[str, str], said: list[Path], begun: Path, by_self: BySelf | None
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["rawlabel", *arguments]
    for number, path in enumerate(said, start=1):
        with path.open("w", encoding="utf-8") as stream:
            os.dup2(stream.fileno(), number)
    precision._trial = fp32_is_faster
    if by_self:
        by_self.prepare()
    begun.touch()
    cli.main(arguments)
