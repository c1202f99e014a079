"""Progress of long work: a bar on a terminal, and elsewhere a message now and then; `show` turns it off."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rawlabel.base import messages, processes

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_EQUAL_LINES = 60.0
"""Where nothing has changed, it is said that often."""
ITEMS_TO_ESTIMATE = 5


@dataclass
class _State:
    is_shown: bool = True


_state = _State()


def show(is_shown: bool) -> bool:
    """Turn the progress of all work in this process on or off; returns how it was before."""
    before, _state.is_shown = _state.is_shown, is_shown
    return before


def note(text: str) -> None:
    """Say something that a person should know and that ends nothing; of several processes, one says it."""
    if processes.is_first():
        messages.note(text)


class Task:
    """One piece of work that advances; `note` is shown beside the count."""

    def __init__(
        self, title: str, total: int, bar: Progress | None, is_silent: bool = False, done: int = 0
    ) -> None:
        self.title, self.total, self.done, self.note = title, total, done, ""
        self._done_before, self._started = done, time.monotonic()
        self._is_silent = is_silent
        self._bar = bar
        self._id = bar.add_task(title, total=total, note="") if bar else None
        self._last_line = time.monotonic()
        self._said = (done, total, "")
        self._told_at: dict[str, float] = {}
        self._first_at: float | None = None
        self._counted_from = 0
        self.when_estimated: Callable[[float], None] | None = None
        """Told once, when a few items say how long the rest takes [seconds]."""

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """Say that `count` more items are done.

        `note`, where given, takes the place of what is shown beside the bar.
        """
        self.done += count
        self.note = self.note if note is None else note
        if self._bar is not None and self._id is not None:
            self._bar.update(self._id, completed=self.done, total=self.total, note=self.note)
        else:
            self.keep_alive()
        if self.when_estimated is not None:
            self._estimate(self.when_estimated)

    def keep_alive(self) -> None:
        """Show that the work goes on, also while it waits; call it now and then."""
        if self._bar is not None:
            return
        since = time.monotonic() - self._last_line
        has_changed = (self.done, self.total, self.note) != self._said
        if since > (SECONDS_BETWEEN_LINES if has_changed else SECONDS_BETWEEN_EQUAL_LINES):
            self.say_line()

    def _estimate(self, tell: Callable[[float], None]) -> None:
        """The first item is not counted: it may have waited for much else."""
        now, count = time.monotonic(), self.done - self._done_before
        if self._first_at is None:
            self._first_at, self._counted_from = now, count
        elif count - self._counted_from >= ITEMS_TO_ESTIMATE:
            self.when_estimated = None
            tell((now - self._first_at) * (self.total - self.done) / (count - self._counted_from))

    def pass_over(self, seconds: float) -> None:
        """Leave time [seconds] that went into something else than the items out of the estimate."""
        if self._first_at is not None:
            self._first_at += seconds

    def tell_wait(self, who: str, words: str) -> None:
        """Say who makes the work wait and how long: at once, or nothing would be said until it goes on."""
        now = time.monotonic()
        is_new = now - self._told_at.get(who, -math.inf) > SECONDS_BETWEEN_LINES
        self.advance(0, f"{who}: {words}")
        if is_new:
            self._told_at[who] = now
            if self._bar is None and self._said[2] != self.note:
                self.say_line()

    def say_line(self) -> None:
        """Write one plain line (used where there is no terminal)."""
        self._last_line, self._said = time.monotonic(), (self.done, self.total, self.note)
        if not self._is_silent:
            parts = (f"{self.done}/{self.total}", self._time_left(), self.note)
            messages.inform(f"{self.title}: {' '.join(part for part in parts if part)}")

    def _time_left(self) -> str:
        """At the speed so far; empty at both ends."""
        now_done, missing = self.done - self._done_before, self.total - self.done
        if now_done <= 0 or missing <= 0:
            return ""
        seconds = round((time.monotonic() - self._started) * missing / now_done)
        return f"({timedelta(seconds=seconds)} left)"


@contextmanager
def progress(title: str, total: int, *, done: int = 0) -> Iterator[Task]:
    """Show the progress of `total` items, `done` of which were done before; of several processes, one shows it.

    Whoever learns of another total on the way sets it on the task.
    """
    if not (_state.is_shown and processes.is_first()):
        yield Task(title, total, None, is_silent=True)
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        task = Task(title, total, None, done=done)
        yield task
        task.say_line()
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TaskProgressColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    bar = Progress(*columns, console=console)
    with drawn(bar.start, bar.stop, console):
        task = Task(title, total, bar)
        task.advance(done)
        yield task


@contextmanager
def drawn(start: Callable[[], object], stop: Callable[[], object], console: Console) -> Iterator[None]:
    """Have something drawn on a terminal for the block; it gets its cursor back, after a Ctrl-C at once, too."""
    try:
        start()
        yield
    finally:
        # What was struck before it had begun has nothing to end, and says so with an IndexError.
        with suppress(IndexError):
            stop()
        console.show_cursor(True)
