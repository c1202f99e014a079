"""Run `rawlabel` as its own process, and end it in hard ways."""

from __future__ import annotations

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
    "rawlabel.cli.verbs.collect", "rawlabel.cli.verbs.train", "rawlabel.collect.session", "rawlabel.evaluate",
    "rawlabel.train.loop", "rawlabel.train.staged_resnet", "torch._dynamo", "pandas",
)  # fmt: skip
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


def end_by_kill_9(when: Callable[[], bool], arguments: Sequence[str | Path], **environment: str) -> Ended:
    """As `end_by_signal` with SIGKILL, for many kills: the process is forked when all modules are loaded."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as said:
        process = _FORKS.Process(target=_main, args=([str(one) for one in arguments], environment, said.name))
        process.start()
        deadline = time.monotonic() + 240
        while process.exitcode is None and not when():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.join(60)
        assert process.exitcode is not None
        code = process.exitcode
        process.close()
        return Ended(code, "", said.read())


def _main(arguments: list[str], environment: dict[str, str], said: str) -> None:
    os.environ.update(environment)
    with Path(said).open("w", encoding="utf-8") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    cli.main(arguments)


def after(seconds: float) -> Callable[[], bool]:
    """A condition that becomes true when so much time has passed since it was first asked."""
    started: list[float] = []

    def passed() -> bool:
        if not started:
            started.append(time.monotonic())
        return time.monotonic() - started[0] >= seconds

    return passed
