"""`rawlabel prepare`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import PrepareConfig


def _prepare(config: PrepareConfig) -> int:
    from rawlabel.gather.prepare.found import LeftOut
    from rawlabel.gather.prepare.stage import prepare

    parts = prepare(config, click.echo)
    for one in parts:
        counts = one.counts
        sums = f"found {counts.found:,} = written {counts.written:,} + left out {counts.left_out.total():,}"
        click.echo(f"{one.folder}: {len(counts.by_class):,} classes, {sums}")
        for reason in LeftOut:
            if counts.left_out[reason]:
                click.echo(f"  {counts.left_out[reason]:>9,} left out: {reason.describe()}")
        if one.skipped_classes:
            click.echo(f"  {one.skipped_classes:>9,} classes were not asked for and not opened")
    remarks = [line for one in parts for line in one.remarks]
    for line in remarks:
        click.echo(line, err=True)
    return 1 if remarks else 0


COMMAND = section_command("prepare", PrepareConfig, _prepare)
