"""`rawlabel experiment`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import ExperimentConfig


def _experiment(config: ExperimentConfig) -> None:
    from rawlabel.experiments.experiment import run_experiment

    run_experiment(config)
    click.echo((config.out / "table.md").read_text("utf-8"))


COMMAND = section_command("experiment", ExperimentConfig, _experiment)
