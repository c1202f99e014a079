"""`rawlabel report`."""

from __future__ import annotations

from pathlib import Path

import click

from rawlabel.cli.options import section_command
from rawlabel.config import ReportConfig


def _report(config: ReportConfig) -> None:
    from rawlabel.show.report.stage import build_report

    click.echo(f"report: {build_report(config, _measure_probe if config.probe else None)}")


def _measure_probe(run: Path) -> str:
    # Imported when it is needed alone: a page whose probe has been measured needs no torch.
    from rawlabel.judge.evaluate.frozen_probe import add_own_probe

    return add_own_probe(run)


COMMAND = section_command("report", ReportConfig, _report)
