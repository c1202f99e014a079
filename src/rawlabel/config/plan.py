"""The settings of `rawlabel plan`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.collect import CollectConfig
from rawlabel.config.declaring import setting


class PlanConfig(CollectConfig):
    """Say what a collection will cost before it starts, and what is doubtful in the class list.

    Takes the settings of `rawlabel collect`. Each keyword is searched once; the page is recorded in the project,
    so `collect` goes on behind it and no call is wasted.
    """

    offline: bool = setting(False, "Ask no site: warnings and upper limits only.", common=True)
    out: Path | None = setting(None, "File to write the plan to (JSON).", common=True)
