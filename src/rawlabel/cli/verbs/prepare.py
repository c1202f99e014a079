"""`rawlabel prepare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import PrepareConfig

if TYPE_CHECKING:
    from rawlabel.gather.prepare.placing import Counts

GROUP = "data"
PLACE = 30
SUMMARY = "sort ImageNet as it is downloaded into class folders"

_FLAGS = {"train": "--main", "test": "--test"}


def _prepare(config: PrepareConfig) -> Ending:
    from rawlabel.gather.prepare.found import LeftOut
    from rawlabel.gather.prepare.stage import prepare

    parts = prepare(config, say)
    for one in parts:
        counts = one.counts
        sums = f"found {counts.found:,} = written {counts.written:,} + left out {counts.left_out.total():,}"
        say(f"{one.folder}: {len(counts.by_class):,} classes, {sums}")
        for reason in LeftOut:
            if counts.left_out[reason]:
                say(f"  {counts.left_out[reason]:>9,} left out: {reason.describe()}")
        if one.skipped_classes:
            say(f"  {one.skipped_classes:>9,} classes were not asked for and not opened")
    remarks = [line for one in parts for line in one.remarks]
    for line in remarks:
        messages.warn(line, lead="")
    give([{"folder": one.folder, "remarks": one.remarks, **_facts(one.counts)} for one in parts])
    found = [word for one in parts for word in (_FLAGS[one.folder.name], one.folder.name)]
    return Ending(("train", "--root", config.out, *found), exit_code=1 if remarks else 0)


def _facts(counts: Counts) -> dict[str, object]:
    return {
        "found": counts.found,
        "written": counts.written,
        "by_class": counts.by_class,
        "left_out": counts.left_out,
    }


COMMAND = section_command("prepare", PrepareConfig, _prepare)
