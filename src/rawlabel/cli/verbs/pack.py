"""`rawlabel pack`."""

from __future__ import annotations

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import PackConfig

GROUP = "data"
PLACE = 40
SUMMARY = "put images of any readable format into one folder that opens at once"


def _pack(config: PackConfig) -> Ending:
    from rawlabel.images.packing import pack

    facts = pack(config)
    unreadable = facts["unreadable"]
    say(
        f"{config.out}: found {facts['found']:,} images = packed {facts['packed']:,} + left out "
        f"{len(unreadable):,}; {facts['bytes'] / 1e6:,.1f} MB as {facts['settings']['mode']}"
    )
    if facts.get("ignored"):
        messages.inform(f"{config.source}: {facts['ignored']}")
    if unreadable:
        messages.warn(
            f"{len(unreadable):,} images cannot be decoded, the first is {unreadable[0]['image']}; "
            f"{config.out}/pack.json lists them",
            lead="",
        )
    give({"out": config.out, **facts})
    assert config.out is not None  # or `pack` had refused
    train = ("train", "--root", config.out.parent, "--main", config.out.name)
    return Ending(train, exit_code=1 if unreadable else 0)


COMMAND = section_command("pack", PackConfig, _pack)
