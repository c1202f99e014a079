"""`rawlabel export`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import ExportConfig


def _export(config: ExportConfig) -> None:
    from rawlabel.manifests.export import export

    out, count = export(config)
    click.echo(f"{count} photos in {out}" if count else f"{config.format} without photos in {out}")


COMMAND = section_command("export", ExportConfig, _export)
