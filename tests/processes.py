"""Run `rawlabel` as its own process, and end it in hard ways."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


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


def after(seconds: float) -> Callable[[], bool]:
    """A condition that becomes true when so much time has passed since it was first asked."""
    started: list[float] = []

    def passed() -> bool:
        if not started:
            started.append(time.monotonic())
        return time.monotonic() - started[0] >= seconds

    return passed
