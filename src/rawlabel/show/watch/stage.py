"""`rawlabel watch`: look at a run's log again and again, until the run ends."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import Epoch
from rawlabel.base.files import is_held
from rawlabel.base.progress import drawn
from rawlabel.config import WatchConfig
from rawlabel.errors import ConfigError
from rawlabel.show.watch.plot import plot

_CURVES = (("training", "dark_orange"), ("holdout", "green"), ("test", "bright_blue"))
_SCALE = 8
"""Characters of the scale at the left of the curves."""
_SILENCE = 5.0
"""Time without news after which it is asked whether anybody still trains [seconds]."""


def watch(config: WatchConfig, out: TextIO) -> Run:
    """Show the run until it ends, or until Ctrl-C; returns it as it was at the last look.

    A terminal gets curves, anything else a line an epoch. Raises `ConfigError`, `DataError`.
    """
    if config.run is None:
        raise ConfigError("RUN: name a run directory, for example `rawlabel watch project/runs/NAME`")
    console = Console(file=out)
    run = Run.existing(config.run)
    if not console.is_terminal:
        return _lines(run, config, out)
    with suppress(KeyboardInterrupt):
        live = Live(_screen(run, console), console=console, auto_refresh=False)
        with drawn(partial(live.start, refresh=True), live.stop, console):
            heard = time.monotonic()
            while not _has_ended(run, heard):
                time.sleep(config.every)
                now = Run(run.path)
                heard = time.monotonic() if len(now.epochs) != len(run.epochs) else heard
                run = now
                live.update(_screen(run, console), refresh=True)
    return run


def _lines(run: Run, config: WatchConfig, out: TextIO) -> Run:
    told = 0
    heard = time.monotonic()
    with suppress(KeyboardInterrupt, BrokenPipeError):
        while True:
            has_ended = _has_ended(run, heard)
            run = Run(run.path)
            for one in run.epochs[told:]:
                out.write(_line(one) + "\n")
                heard = time.monotonic()
            told = max(told, len(run.epochs))
            out.flush()
            if has_ended:
                out.write(_ending(run) + "\n")
                out.flush()
                break
            time.sleep(config.every)
    return run


def _has_ended(run: Run, heard: float) -> bool:
    """Whether the run is finished, or nobody trains there: it was stopped, or killed."""
    if run.is_finished:
        return True
    lock = run.path / ".lock"
    if not lock.exists():
        return time.monotonic() - heard > 1 and not run.is_finished
    return time.monotonic() - heard > _SILENCE and not is_held(lock)


def _line(one: Epoch) -> str:
    parts = [
        f"{name} {value:.2f} %"
        for (name, _), value in zip(_CURVES, _values(one), strict=True)
        if value is not None
    ]
    loss = "" if one.train.loss is None else f", training loss {one.train.loss:.4f}"
    chosen = "" if one.selected_epoch is None else f"; chosen so far: epoch {one.selected_epoch}"
    return f"epoch {one.epoch}: {', '.join(parts) or 'no accuracy'}{loss}{chosen}"


def _values(one: Epoch) -> tuple[float | None, float | None, float | None]:
    return one.train.acc1, one.holdout.acc1, one.test_accuracy


def _ending(run: Run) -> str:
    if run.is_finished:
        return f"finished: epoch {run.summary.selected_epoch} was chosen, {run.summary.why_selected()}"
    return "nobody is training there; the same `rawlabel train` command goes on"


def _screen(run: Run, console: Console) -> Panel:
    full = min(console.width, 110)
    epochs = run.epochs
    if not epochs:
        return Panel(Text("no epoch is logged yet"), title=run.path.name, width=full)
    width = max(full - 16, 20)
    below = _below(run, epochs, width)
    taken = sum(len(one.wrap(console, full - 4)) for one in below)
    # An odd number of rows has a middle one, whose value is a round one.
    height = max(min(console.height - taken - 5, 18), 3) // 2 * 2 - 1
    title = f"{run.path.name}: {len(epochs)} of {run.config.epochs} epochs"
    return Panel(Group(*_above(epochs, width, height), *below), title=title, width=full, border_style="dim")


def _above(epochs: Sequence[Epoch], width: int, height: int) -> list[Text]:
    """The curves, with the scale at their left."""
    series = [[_values(one)[i] for one in epochs] for i in range(len(_CURVES))]
    known = [value for values in series for value in values if value is not None]
    low = 10 * math.floor(min(known, default=0) / 10)
    high = max(10 * math.ceil(max(known, default=100) / 10), low + 10)
    curves = [(style, values) for (_, style), values in zip(_CURVES, series, strict=True)]
    shown: list[Text] = []
    for position, row in enumerate(plot(curves, width, height, low, high)):
        value = high - (high - low) * position / max(height - 1, 1)
        label = f"{value:5.0f} % " if position in (0, height // 2, height - 1) else " " * _SCALE
        shown.append(Text.assemble((label, "dim"), row))
    return shown


def _below(run: Run, epochs: Sequence[Epoch], width: int) -> list[Text]:
    """The axis, the epoch that is chosen so far, what the colours mean, and how it stands."""
    last = epochs[-1]
    axis = f"epoch {epochs[0].epoch}{f'epoch {last.epoch}':>{max(width - len(str(epochs[0].epoch)) - 6, 1)}}"
    shown = [Text(" " * _SCALE + axis, style="dim")]
    numbers = [one.epoch for one in epochs]
    if run.selected_epoch in numbers:
        place = round(numbers.index(run.selected_epoch) * (width - 1) / max(len(numbers) - 1, 1))
        mark = "▲ chosen" if place < width - 8 else "chosen ▲"
        shown.append(Text(" " * (_SCALE + place - (7 if mark.endswith("▲") else 0)) + mark))
    legend = Text()
    for (name, style), now in zip(_CURVES, _values(last), strict=True):
        if now is not None:
            legend.append(f"● {name} {now:.2f} %   ", style=style)
    legend.append("(test is for people only)" if last.test.acc1 is not None else "", style="dim")
    rate = f", learning rate {last.lr:.3g}" if last.lr is not None else ""
    chosen = f"chosen so far without clean labels: epoch {run.selected_epoch}{rate}; Ctrl-C stops watching"
    return [*shown, legend, Text(_ending(run) if run.is_finished else chosen)]
