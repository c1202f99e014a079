"""`rawlabel sources`: the photo sites that can be searched."""

from __future__ import annotations

import click

from rawlabel.base.families import Family, describe, load, names
from rawlabel.cli.options import section_command
from rawlabel.config import SourcesConfig


def _sources(config: SourcesConfig) -> int:
    wanted = config.source or names(Family.SOURCE)
    return _check(list(wanted), config) if config.check else _list(list(wanted))


def _list(wanted: list[str]) -> int:
    for name in wanted:
        source = load(Family.SOURCE, name)
        click.echo(f"{name}: {describe(Family.SOURCE, name)}")
        click.echo(f"  address  {source.base_url or 'this machine (--input)'}")
        keys = " and ".join(source.key_variables)
        click.echo(f"  key      {keys if source.needs_key else f'{keys} (optional)' if keys else 'none needed'}")
        click.echo(f"  terms    {source.terms}")
        if source.label_notice:
            click.echo(f"  warning  {source.label_notice}")
    return 0


def _check(wanted: list[str], config: SourcesConfig) -> int:
    """One line a source; 1 when one of them does not answer as its client expects."""
    from rawlabel.gather.collect.self_check import check_sources

    checked = check_sources(wanted, config)
    for one in checked:
        click.echo(f"{one.source}: {one.words}")
    return 0 if all(one.is_good for one in checked) else 1


COMMAND = section_command("sources", SourcesConfig, _sources)
