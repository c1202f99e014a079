"""`rawlabel sources`: the photo sites that can be searched."""

from __future__ import annotations

import click

from rawlabel.base.families import Family, describe, load, names


@click.command("sources", help="List the photo sites, their addresses and what their terms ask.")
def COMMAND() -> None:
    """Print each source with its address, key and terms."""
    for name in names(Family.SOURCE):
        source = load(Family.SOURCE, name)
        click.echo(f"{name}: {describe(Family.SOURCE, name)}")
        click.echo(f"  address  {source.base_url or 'this machine (--input)'}")
        keys = " and ".join(source.key_variables)
        click.echo(f"  key      {keys if source.needs_key else f'{keys} (optional)' if keys else 'none needed'}")
        click.echo(f"  terms    {source.terms}")
        if source.label_notice:
            click.echo(f"  warning  {source.label_notice}")
