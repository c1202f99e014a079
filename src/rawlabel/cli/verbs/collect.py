"""`rawlabel collect`."""

from __future__ import annotations

import click

from rawlabel.artifacts.project import catalogue_path
from rawlabel.cli.options import section_command
from rawlabel.config import CollectConfig
from rawlabel.records import Reason


def _collect(config: CollectConfig) -> int:
    from rawlabel.artifacts.catalogue.catalogue import Catalogue
    from rawlabel.gather.collect.session import requested_sources
    from rawlabel.gather.collect.stage import collect
    from rawlabel.gather.collect.summary import failure_lines, incomplete_lines

    counts = collect(config)
    not_fetched = {reason: counts[reason] for reason in Reason if counts.get(reason)}
    click.echo(
        f"found {counts['label_events']} label events of {counts['photos']} photos; fetched {counts['fetched']}, "
        f"not fetched {sum(not_fetched.values())}, pending {counts['pending']}"
    )
    for reason, count in not_fetched.items():
        click.echo(f"  {count:>6} {reason.describe()}")
    with Catalogue(catalogue_path(config.project)) as catalogue:
        for line in [*failure_lines(catalogue, counts["fetched"]), *incomplete_lines(catalogue)]:
            click.echo(line)
    click.echo(f"catalogue: {catalogue_path(config.project)}")
    for name, source in requested_sources(config).items():
        for notice in source.notices(config):
            click.echo(f"note: {name}: {notice}", err=True)
    return _judge(config, counts)


def _judge(config: CollectConfig, counts: dict[str, int]) -> int:
    """The exit code: 1 when there is nothing to go on with, which is said."""
    problem = ""
    if not counts["photos"]:
        problem = (
            "no search found a photo; check the keywords (`rawlabel plan` counts them) or name another --source"
        )
    elif not counts["fetched"] and not config.search_only:
        problem = "none of the photos could be downloaded; the reasons are above"
    if problem:
        click.echo(f"rawlabel: {config.project}: {problem}", err=True)
    return 1 if problem else 0


COMMAND = section_command("collect", CollectConfig, _collect)
