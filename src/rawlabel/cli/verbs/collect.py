"""`rawlabel collect`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import CollectConfig
from rawlabel.project import catalogue_path
from rawlabel.records import Reason


def _collect(config: CollectConfig) -> None:
    from rawlabel.collect import collect

    counts = collect(config)
    click.echo(
        f"found {counts['label_events']} label events of {counts['photos']} photos; fetched {counts['fetched']}, "
        f"failed {sum(counts.get(reason, 0) for reason in Reason)}, pending {counts['pending']}"
    )
    for reason in Reason:
        if counts.get(reason):
            click.echo(f"  {counts[reason]:>6} failed: {reason.describe()}")
    click.echo(f"catalogue: {catalogue_path(config.project)}")


COMMAND = section_command("collect", CollectConfig, _collect)
