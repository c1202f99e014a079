"""Processes of a user's script and of a notebook: neither has a guard, and both can be stopped."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from rawlabel.base import signals
from rawlabel.base.signals import run_until_stopped


async def _answer() -> str:
    await asyncio.sleep(0.01)
    return threading.current_thread().name


def test_where_a_loop_is_running_another_one_runs_in_a_thread() -> None:
    async def in_a_notebook() -> str:
        return run_until_stopped(_answer())

    assert run_until_stopped(_answer()) == threading.current_thread().name
    assert asyncio.run(in_a_notebook()) == "rawlabel"


def test_errors_come_out_of_the_thread() -> None:
    async def fails() -> None:
        raise ValueError("said inside")

    async def in_a_notebook() -> None:
        run_until_stopped(fails())

    with pytest.raises(ValueError, match="said inside"):
        asyncio.run(in_a_notebook())


def interrupt_once_it_waits() -> None:
    """Send Ctrl-C when the main thread waits for the loop in the other one, and not on its way there."""
    deadline = time.monotonic() + 120
    calls: list[str] = []
    while calls != ["wait", "wait", "_run_in_thread"] and time.monotonic() < deadline:
        time.sleep(0.01)
        frame = sys._current_frames()[threading.main_thread().ident or 0]
        calls = [one.f_code.co_name for one, _ in itertools.islice(traceback.walk_stack(frame), 3)]
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_in_a_running_loop_cancels_and_waits_until_all_is_tidy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    # One wait, so that the signal does not come between two.
    monkeypatch.setattr(signals, "_LOOK_EVERY", 300.0)

    async def works() -> None:
        threading.Thread(target=interrupt_once_it_waits).start()
        try:
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0.1)
            seen.append("tidied up")

    async def in_a_notebook() -> None:
        # asyncio's own handler of Ctrl-C would only note it; a notebook's kernel has Python's.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            run_until_stopped(works())

    started = time.monotonic()
    asyncio.run(in_a_notebook())
    assert seen == ["tidied up"]
    assert time.monotonic() - started < 300


@pytest.mark.integration
@pytest.mark.parametrize("context", ["spawn_context", "forkserver_context"])
def test_a_script_without_a_guard_is_not_run_again_by_the_processes_that_it_starts(
    context: str, tmp_path: Path
) -> None:
    script = tmp_path / "collects.py"
    script.write_text(
        f"from rawlabel.base.spawning import {context}\n"
        "import os\n"
        "print('the script runs', flush=True)\n"
        f"process = {context}().Process(target=os._exit, args=(7,))\n"
        "process.start()\n"
        "process.join()\n"
        "print('ended with', process.exitcode, __file__, __spec__, flush=True)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.splitlines() == ["the script runs", f"ended with 7 {script} None"]
