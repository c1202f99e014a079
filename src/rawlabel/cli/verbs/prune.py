"""`rawlabel prune`."""

from __future__ import annotations

import click

from rawlabel.artifacts.project import export_path
from rawlabel.cli.options import section_command
from rawlabel.config import PruneConfig
from rawlabel.records import Reason


def _prune(config: PruneConfig) -> None:
    from rawlabel.manifests.prune.stage import prune

    pruned = prune(config)
    missing = pruned.asked.not_answered.total()
    click.echo(
        f"asked about {pruned.asked.num_photos} photos: {pruned.asked.num_photos - missing} answers, "
        f"{missing} not answered (they stay)"
    )
    for source, message in pruned.asked.errors.items():
        click.echo(f"  {source}: not asked to the end: {message}")
    for reason in Reason:
        if pruned.left_out[reason]:
            click.echo(f"  {pruned.left_out[reason]:>6} left out: {reason.describe()}")
    if pruned.num_relicensed:
        click.echo(f"  {pruned.num_relicensed:>6} have another license and stay")
    if config.dry_run:
        click.echo("dry run: nothing was recorded, written or deleted")
        return
    click.echo(f"files deleted: {pruned.num_deleted}")
    if pruned.num_deleted and export_path(config.project).exists():
        click.echo(f"{export_path(config.project)}: still holds them; run `rawlabel export` again")
    if pruned.manifest is None:
        click.echo("the newest manifest stays as it is")
    else:
        click.echo(f"manifest: {pruned.manifest.path}")


COMMAND = section_command("prune", PruneConfig, _prune)
