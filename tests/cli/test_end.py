"""How a command ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

TERMINATED_WHILE_ENDING = """
import atexit, os, signal
from rawlabel import cli

class Finalized:
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.SIGTERM):
        kill(process, number)

{when}
cli.main(["{argument}"])
"""


@pytest.mark.parametrize(
    "when", ["atexit.register(os.kill, os.getpid(), signal.SIGTERM)", "until_the_very_end = Finalized()"]
)
def test_sigterm_while_the_command_is_ending_changes_nothing(when: str) -> None:
    """As from `torchrun`, which ends all processes when it sees one end."""
    for argument, code, lines in (("--version", 0, 0), ("no-such-verb", 2, 1)):
        script = TERMINATED_WHILE_ENDING.format(argument=argument, when=when)
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (code, lines), ended.stderr


STRUCK_IN_A_FINALIZER = """
import os, signal, time
from rawlabel import cli
from rawlabel.base import signals

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(0)

def work(*arguments, **settings):
    Finalized()
    time.sleep(120)

signals._AGAIN_AFTER = {after}

cli.rawlabel.main = work
cli.main()
"""


@pytest.mark.parametrize("after", [0.05, 0])
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_that_strikes_in_a_finalizer_stops_the_command_all_the_same(
    name: str, code: int, after: float
) -> None:
    """Python drops the exception there, prints a traceback and goes on; so it does where that is being mended."""
    script = STRUCK_IN_A_FINALIZER.format(name=name, after=after)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert ended.stderr == "rawlabel: stopped; the same command goes on from here\n"


STOPPED_TWICE = """
import asyncio, sys, threading, time
from rawlabel import cli; from rawlabel.base import signals

def say(where):
    print(where, flush=True)

def in_a_step():
    with signals.stop_requests():
        say("at work")
        for _ in range(6000):
            time.sleep(0.1)

def in_a_loop():
    async def main():
        say("at work")
        try:
            await asyncio.sleep(600)
        finally:
            time.sleep(600)
    signals.run_until_stopped(main())

def while_tidying_up():
    try:
        say("at work")
        time.sleep(600)
    finally:
        say("tidying up")
        time.sleep(600)

def is_ending():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None and frame.f_code.co_name != "_shutdown":
        frame = frame.f_back
    return frame is not None

def beside():
    while not is_ending():
        time.sleep(0.01)
    say("ending")
    time.sleep(600)

def while_ending():
    threading.Thread(target=beside).start()
    say("at work")
    time.sleep(600)

def work(*arguments, **settings):
    {where}()

cli.rawlabel.main = work
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["in_a_step", "in_a_loop", "while_tidying_up", "while_ending"])
def test_the_same_signal_again_ends_the_command_at_once_and_without_a_traceback(
    where: str, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", STOPPED_TWICE.format(where=where)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    # The process says where it is, since two signals before it has heeded the first are one.
    assert process.stdout.readline() == "at work\n"
    time.sleep(0.3)
    process.send_signal(number)
    if where in ("in_a_step", "in_a_loop"):
        first = process.stderr.readline()
        assert (
            first == "rawlabel: stopping as soon as what is under way is finished; the same again stops at once\n"
        )
    else:
        assert process.stdout.readline() == ("tidying up\n" if where == "while_tidying_up" else "ending\n")
    time.sleep(0.3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    lines = ["rawlabel: stopped at once; the same command goes on from what is on the disk"]
    if where == "while_ending":
        lines.insert(0, "rawlabel: stopped; the same command goes on from here")
    assert errors.splitlines() == lines


DAMAGED_METADATA = """
import io
from PIL import Image
from rawlabel import cli

def work(*arguments, **settings):
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[270] = "a description"
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=exif)
    damaged = stream.getvalue().replace(b"\\0\\0\\0\\x0e", b"\\0\\xff\\xff\\x0e", 1)
    assert damaged != stream.getvalue()
    Image.open(io.BytesIO(damaged)).getexif()

cli.rawlabel.main = work
cli.main()
"""


def test_metadata_that_are_damaged_bring_no_warning() -> None:
    ended = subprocess.run([sys.executable, "-c", DAMAGED_METADATA], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
