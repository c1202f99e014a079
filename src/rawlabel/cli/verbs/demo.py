"""`rawlabel demo`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import DemoConfig


def _demo(config: DemoConfig) -> None:
    from rawlabel.cli.verbs.photo_site import serve
    from rawlabel.demo import describe, run_demo

    results = run_demo(config, serve)
    for result in results:
        if len(results) > 1:
            click.echo(f"seed {result.seed}")
        for line in describe(result):
            click.echo(line)
    if len(results) > 1:
        click.echo((config.out / "seeds.md").read_text("utf-8"))


COMMAND = section_command("demo", DemoConfig, _demo)
