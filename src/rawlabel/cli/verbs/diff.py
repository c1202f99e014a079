"""`rawlabel diff`."""

from __future__ import annotations

from collections import Counter

import click

from rawlabel.cli.options import section_command
from rawlabel.config import DiffConfig


def _diff(config: DiffConfig) -> int:
    from rawlabel.manifests.diff import Kind, diff

    before, after, differences = diff(config)
    counts = Counter(one.kind for one in differences)
    if not differences:
        click.echo(f"the manifests are equal ({before.fingerprint[:12]}, {before.table.num_rows} label events)")
        return 0
    for name, manifest in (("before", before), ("after", after)):
        click.echo(
            f"{name:<7}{manifest.fingerprint[:12]}  {manifest.table.num_rows} label events, "
            f"{manifest.kept().num_rows} kept"
        )
    if after.parent == before.fingerprint:
        click.echo("the second was made from the first")
    for kind in Kind:
        if counts[kind]:
            click.echo(f"{counts[kind]:>6} {kind.describe()}")
    if config.out is None:
        click.echo("--out FILE lists each of them")
    return 1


COMMAND = section_command("diff", DiffConfig, _diff)
