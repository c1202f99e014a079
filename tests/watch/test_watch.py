"""Watching a run that another process writes: through a pipe, in a terminal, and when either ends."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time

import pytest
from filelock import FileLock
from rich.live import Live

from rawlabel.base import files, progress
from rawlabel.base.files import is_held, locked
from rawlabel.cli import run as run_command
from rawlabel.config import WatchConfig
from rawlabel.show.watch.plot import plot
from rawlabel.show.watch.stage import watch

EPOCH = {"lr": 0.1, "train": {"acc1": 50.0, "loss": 1.0}, "holdout": {"acc1": 40.0}, "selected_epoch": 0}


@pytest.fixture
def run(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps({"epochs": 3}))
    return run


def log(run, epochs):
    entries = [{"epoch": epoch, **EPOCH, "train": {"acc1": 50.0 + epoch, "loss": 1.0}} for epoch in range(epochs)]
    (run / "log.tmp").write_text(json.dumps(entries))
    (run / "log.tmp").replace(run / "log.json")


def finish(run):
    """At once, as a run does: who watches may look between a file's making and its writing."""
    summary = {"rule": "r", "selected_epoch": 1, "why": "it is best", "last_epoch": 2}
    (run / "summary.tmp").write_text(json.dumps(summary))
    (run / "summary.tmp").replace(run / "summary.json")


def start(run, **streams):
    command = [sys.executable, "-m", "rawlabel", "watch", str(run), "--every", "0.05"]
    return subprocess.Popen(command, **streams)


def test_a_pipe_gets_a_line_an_epoch_and_the_ending(run, capsys):
    log(run, 3)
    finish(run)
    assert run_command(["watch", str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *(f"epoch {i}: training {50 + i}.00 %, holdout 40.00 %, training loss 1.0000; chosen so far: epoch 0"
          for i in range(3)),
        "finished: epoch 1 was chosen, it is best",
    ]  # fmt: skip


def test_a_run_that_was_stopped_ends_the_watching(run, capsys):
    log(run, 1)
    assert run_command(["watch", str(run), "--every", "0.05"]) == 0
    assert "nobody is training there" in capsys.readouterr().out


def test_what_is_no_run_is_one_line(tmp_path, capsys):
    assert run_command(["watch", str(tmp_path)]) == 2
    assert "is no run directory" in capsys.readouterr().err
    assert run_command(["watch"]) == 2


def test_who_holds_a_lock_is_seen_and_not_disturbed(tmp_path, monkeypatch):
    lock = tmp_path / ".lock"
    lock.touch()
    assert not is_held(lock)
    with locked(lock) as is_ours:
        assert is_ours
        assert is_held(lock)
    assert not is_held(lock)
    # Whoever looks has it for a moment, which keeps nobody from taking it.
    monkeypatch.setattr(files, "_MOMENT", 60.0)
    looking = FileLock(lock, thread_local=False)
    looking.acquire()
    threading.Timer(0.1, looking.release).start()
    with locked(lock) as is_ours:
        assert is_ours


def test_curves_are_drawn_where_their_values_are():
    rows = [row.plain for row in plot([("red", [0.0, None, 100.0])], 4, 2, 0, 100)]
    assert rows == ["⠀⠀⠀⠈", "⡀⠀⠀⠀"]


@pytest.mark.integration
def test_lines_come_as_the_epochs_do_and_a_reader_that_leaves_is_no_fault(run):
    with locked(run / ".lock"):
        watching = start(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for epoch in range(2):
            log(run, epoch + 1)
            assert watching.stdout.readline().startswith(f"epoch {epoch}:".encode())
        log(run, 3)
        finish(run)
        out, err = watching.communicate(timeout=240)
    assert b"finished: epoch 1 was chosen" in out
    assert watching.returncode == 0
    assert b"Traceback" not in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("what", ["watch", "progress"])
def test_ctrl_c_in_the_first_drawing_gives_the_cursor_back(run, what, monkeypatch):
    refresh, terminal, drawn = Live.refresh, Terminal(), []

    def interrupted(live):
        drawn.append(live)
        if len(drawn) == 1:
            raise KeyboardInterrupt
        refresh(live)

    monkeypatch.setattr(Live, "refresh", interrupted)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    log(run, 2)
    if what == "watch":
        watch(WatchConfig(run=run), terminal)
    else:
        before = progress.show(True)
        with pytest.raises(KeyboardInterrupt), progress.progress("at work", 3):
            pytest.fail("interrupted before")
        progress.show(before)
    text = terminal.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


@pytest.mark.integration
def test_a_terminal_gets_curves_and_ctrl_c_ends_it_cleanly(run):
    log(run, 2)
    ours, theirs = pty.openpty()
    with locked(run / ".lock"):
        watching = start(
            run, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        )
        os.close(theirs)
        seen, until = b"", time.monotonic() + 240
        while b"chosen so far" not in seen and time.monotonic() < until:
            seen += os.read(ours, 65536)
        watching.send_signal(signal.SIGINT)
        try:
            while piece := os.read(ours, 65536):
                seen += piece
        except OSError:  # the terminal is closed
            pass
        assert watching.wait(timeout=240) == 0
    os.close(ours)
    text = seen.decode("utf-8", "replace")
    assert "2 of 3 epochs" in text
    assert "   60 %" in text and "   50 %" in text and "   40 %" in text
    assert "\u25b2 chosen" in text
    assert any("\u2801" <= one <= "\u28ff" for one in text)
    assert "Traceback" not in text
