"""`rawlabel curate`."""

from __future__ import annotations

import click

from rawlabel.artifacts.funnel import Loss
from rawlabel.cli.options import section_command
from rawlabel.config import CurateConfig
from rawlabel.records import Reason, Split, Verdict


def _curate(config: CurateConfig) -> None:
    from rawlabel.gather.curate.stage import curate

    manifest = curate(config)
    counts = manifest.funnel.total
    click.echo(f"found {counts.found} = kept {counts.kept} + rejected {counts.rejected} + failed {counts.failed}")
    for verdict in (Verdict.REJECTED, Verdict.FAILED):
        for loss in (Loss(verdict, reason) for reason in Reason):
            if loss in counts.losses:
                click.echo(f"  {counts.losses[loss]:>6} {verdict}: {loss.describe()}")
    click.echo(f"held out for the stopping rule: {manifest.kept(Split.HOLDOUT).num_rows}")
    click.echo(f"manifest: {manifest.path}")
    for warning in manifest.warnings():
        click.echo(f"note: {warning}", err=True)


COMMAND = section_command("curate", CurateConfig, _curate)
