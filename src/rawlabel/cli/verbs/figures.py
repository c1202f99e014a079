"""`rawlabel figures`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import FiguresConfig


def _figures(config: FiguresConfig) -> None:
    from rawlabel.show.figures.stage import draw_figures

    summary = draw_figures(config)
    for line in (*summary.headline, *(f"left out: {line}" for line in summary.skipped)):
        click.echo(line)
    click.echo(f"{len(summary.written)} files in {config.out}")


COMMAND = section_command("figures", FiguresConfig, _figures)
