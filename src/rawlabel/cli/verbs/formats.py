"""`rawlabel formats`: the formats that a manifest can be exported to, and those that training reads."""

from __future__ import annotations

import click

from rawlabel.base.families import Family, describe, names


@click.command(
    "formats", help="List the formats that `rawlabel export` writes, and those that `rawlabel train` reads."
)
def COMMAND() -> None:
    """Print each format with the first sentence of its documentation."""
    for name in names(Family.FORMAT):
        click.echo(f"{name}: {describe(Family.FORMAT, name)}")
    click.echo("\nRead as --main, --test, --sub and --mix:")
    for name in names(Family.INPUT):
        click.echo(f"{name}: {describe(Family.INPUT, name)}")
