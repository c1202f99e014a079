"""How a command ends."""

from __future__ import annotations

import subprocess
import sys

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
