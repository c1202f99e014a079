"""`rawlabel methods`: the training methods and stopping rules there are."""

from __future__ import annotations

import click

from rawlabel.plugins import Family, describe, names


@click.command("methods", help="List the training methods and stopping rules.")
def COMMAND() -> None:
    """Print each plug-in with the first sentence of its documentation."""
    for title, family in (
        ("Training methods (--method)", Family.METHOD),
        ("Stopping rules (--stop)", Family.STOPPING_RULE),
    ):
        click.echo(f"{title}:")
        for name in names(family):
            click.echo(f"  {name:<16} {describe(family, name)}")
