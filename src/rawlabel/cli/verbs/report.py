"""`rawlabel report`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import ReportConfig


def _report(config: ReportConfig) -> None:
    from rawlabel.report import build_report

    click.echo(f"report: {build_report(config)}")


COMMAND = section_command("report", ReportConfig, _report)
