"""How a command ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

TERMINATED_WHILE_ENDING = """
import atexit, os, signal
from rawlabel import cli
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
cli.main(["{argument}"])
"""


def test_sigterm_while_the_command_is_ending_changes_nothing() -> None:
    """As from `torchrun`, which ends all processes when it sees one end."""
    for argument, code, lines in (("--version", 0, 0), ("no-such-verb", 2, 1)):
        script = TERMINATED_WHILE_ENDING.format(argument=argument)
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (code, lines), ended.stderr


STRUCK_IN_A_FINALIZER = """
import os, signal, time
from rawlabel import cli

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(0)

def work(*arguments, **settings):
    Finalized()
    time.sleep(20)

cli.rawlabel.main = work
cli.main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_that_strikes_in_a_finalizer_stops_the_command_all_the_same(name: str, code: int) -> None:
    """Python drops the exception there, prints a traceback and goes on."""
    script = STRUCK_IN_A_FINALIZER.format(name=name)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert ended.stderr == "rawlabel: stopped; the same command goes on from here\n"


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
