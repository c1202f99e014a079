"""Run `rawlabel` as its own process, and end it in hard ways."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rawlabel import cli

_FORKS = multiprocessing.get_context("forkserver")
_LOADED = (
    "rawlabel.cli.verbs.collect",
    "rawlabel.cli.verbs.train",
    "rawlabel.gather.collect.session",
    "rawlabel.judge.evaluate.stage",
    "rawlabel.train.loop",
    "rawlabel.models.networks.staged_resnet",
    "torch._dynamo",
    "pandas",
    "matplotlib.pyplot",
)
"""What collecting and training load, that which they load when it is needed included."""
_FORKS.set_forkserver_preload(list(_LOADED))


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
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=240)
    return Ended(process.returncode, out, err)


def end_by_signal(
    number: signal.Signals, when: Callable[[], bool], arguments: Sequence[str | Path], **environment: str
) -> Ended:
    """Start the command and send the signal as soon as `when` is true; it may also end by itself before."""
    process = start(*arguments, **environment)
    deadline = time.monotonic() + 240
    while process.poll() is None and not when():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)


def forked(
    arguments: Sequence[str | Path],
    number: signal.Signals = signal.SIGKILL,
    when: Callable[[], bool] = lambda: False,
    kill_at_open: tuple[int, Path] | None = None,
    **environment: str,
) -> Ended:
    """As `rawlabel` or `end_by_signal`, several seconds faster: a process that is forked with all modules loaded.

    With `kill_at_open`, the process kills itself as it opens its file of this number under this folder.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("out", "err")]
        process = _FORKS.Process(target=_main, args=(list(map(str, arguments)), environment, said, kill_at_open))
        process.start()
        deadline = time.monotonic() + 240
        while process.exitcode is None and not when():
            assert time.monotonic() < deadline
            process.join(0.01)
        if process.exitcode is None and process.pid is not None:
            os.kill(process.pid, number)
        process.join(60)
        code = process.exitcode
        assert code is not None
        process.close()
        return Ended(code, *(path.read_text("utf-8") for path in said))


def _main(
    arguments: list[str], environment: dict[str, str], said: list[Path], kill_at_open: tuple[int, Path] | None
) -> None:
    os.environ.update(environment)
    sys.argv = ["rawlabel", *arguments]
    for number, path in enumerate(said, start=1):
        with path.open("w", encoding="utf-8") as stream:
            os.dup2(stream.fileno(), number)
    if kill_at_open:
        opened, (number, folder) = itertools.count(1), kill_at_open

        def kill(event: str, details: tuple[object, ...]) -> None:
            if event == "open" and str(details[0]).startswith(f"{folder}/") and next(opened) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
    cli.main(arguments)


def after(seconds: float) -> Callable[[], bool]:
    """A condition that becomes true when so much time has passed since it was first asked."""
    started: list[float] = []

    def passed() -> bool:
        if not started:
            started.append(time.monotonic())
        return time.monotonic() - started[0] >= seconds

    return passed
