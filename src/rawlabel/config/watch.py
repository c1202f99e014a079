"""The settings of `rawlabel watch`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class WatchConfig(Section):
    """Show the curves of a run in the terminal while it trains; ends when the run ends.

    Through a pipe, each epoch is a line.
    """

    run: Path | None = setting(None, "Run directory.", positional=True)
    every: float = setting(1.0, "Time between two looks [seconds].", gt=0)
