"""`rawlabel rebuild`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import RebuildConfig
from rawlabel.records import Reason


def _rebuild(config: RebuildConfig) -> int:
    from rawlabel.manifests.rebuild.comparison import Likeness
    from rawlabel.manifests.rebuild.stage import rebuild

    rebuilt = rebuild(config)
    report = rebuilt.report
    click.echo(f"{report.num_photos} photos promised:")
    for one in Likeness:
        if report.counts[one]:
            share = 100 * report.counts[one] / report.num_photos
            click.echo(f"  {report.counts[one]:>7} {share:5.1f} %  {one.describe()}")
    for reason in Reason:
        if report.reasons[reason]:
            click.echo(f"  {report.reasons[reason]:>16}  {reason.describe()}")
    width = max((len(class_id) for class_id in report.by_class), default=0)
    click.echo(f"{'class':<{width}}" + "".join(f"{one.value:>12}" for one in Likeness))
    for class_id, counts in sorted(report.by_class.items()):
        click.echo(f"{class_id:<{width}}" + "".join(f"{counts[one]:>12}" for one in Likeness))
    click.echo(f"report: {rebuilt.report_path}")
    click.echo(f"manifest: {rebuilt.manifest.path}")
    for warning in rebuilt.manifest.warnings():
        click.echo(f"note: {warning}", err=True)
    if rebuilt.manifest.kept().num_rows:
        return 0
    click.echo(f"rawlabel: {config.manifest}: none of its photos could be had; the reasons are above", err=True)
    return 1


COMMAND = section_command("rebuild", RebuildConfig, _rebuild)
