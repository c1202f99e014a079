"""`rawlabel train`; the published `train.py` calls it as well."""

from __future__ import annotations

import click

from rawlabel import processes
from rawlabel.cli.options import section_command
from rawlabel.config import TrainConfig


def _train(config: TrainConfig) -> None:
    from rawlabel.evaluate import make_epoch_evaluator
    from rawlabel.train import train

    run = train(config, make_epoch_evaluator)
    if not processes.is_first():
        return
    summary = run.summary()
    click.echo(f"selected epoch {summary['selected_epoch']} of 0..{summary['last_epoch']}: {summary['why']}")
    click.echo(f"run: {run.path}")
    if config.refit:
        click.echo(f"refit on all raw data: {run.path / 'refit'}")


COMMAND = section_command("train", TrainConfig, _train)
