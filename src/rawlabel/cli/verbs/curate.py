"""`rawlabel curate`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import CurateConfig
from rawlabel.records import Reason, Split


def _curate(config: CurateConfig) -> None:
    from rawlabel.gather.curate.stage import curate

    manifest = curate(config)
    counts = next(row for row in manifest.funnel() if row["class_id"] == "all")
    click.echo(
        f"found {counts['found']} = kept {counts.get('kept', 0)} + rejected {counts.get('rejected', 0)} "
        f"+ failed {counts.get('failed', 0)}"
    )
    for verdict in ("rejected", "failed"):
        for reason in Reason:
            if counts.get(f"{verdict}:{reason}"):
                click.echo(f"  {counts[f'{verdict}:{reason}']:>6} {verdict}: {reason.describe()}")
    click.echo(f"held out for the stopping rule: {manifest.kept(Split.HOLDOUT).num_rows}")
    click.echo(f"manifest: {manifest.path}")
    for warning in manifest.warnings():
        click.echo(f"note: {warning}", err=True)


COMMAND = section_command("curate", CurateConfig, _curate)
