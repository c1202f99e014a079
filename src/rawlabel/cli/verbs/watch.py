"""`rawlabel watch`."""

from __future__ import annotations

import sys

from rawlabel.cli.next_steps import after_training
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending
from rawlabel.config import WatchConfig

GROUP = "model"
PLACE = 15
SUMMARY = "show the curves of a run in the terminal while it trains"


def _watch(config: WatchConfig) -> Ending:
    from rawlabel.show.watch.stage import watch

    run = watch(config, sys.stdout)
    return Ending(after_training(run.path))


COMMAND = section_command("watch", WatchConfig, _watch, has_json=False)
