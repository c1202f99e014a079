"""`rawlabel formats`: the formats that a manifest can be exported to."""

from __future__ import annotations

import click

from rawlabel.plugins import Family, describe, names


@click.command("formats", help="List the formats that `rawlabel export` writes.")
def COMMAND() -> None:
    """Print each format with the first sentence of its documentation."""
    for name in names(Family.FORMAT):
        click.echo(f"{name}: {describe(Family.FORMAT, name)}")
