"""`rawlabel pack`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import PackConfig


def _pack(config: PackConfig) -> int:
    from rawlabel.images.packing import pack

    facts = pack(config)
    unreadable = facts["unreadable"]
    click.echo(
        f"{config.out}: found {facts['found']:,} images = packed {facts['packed']:,} + left out "
        f"{len(unreadable):,}; {facts['bytes'] / 1e6:,.1f} MB as {facts['settings']['mode']}"
    )
    if facts.get("ignored"):
        click.echo(f"{config.source}: {facts['ignored']}", err=True)
    if unreadable:
        click.echo(
            f"{len(unreadable):,} images cannot be decoded, the first is {unreadable[0]['image']}; "
            f"{config.out}/pack.json lists them",
            err=True,
        )
    return 1 if unreadable else 0


COMMAND = section_command("pack", PackConfig, _pack)
