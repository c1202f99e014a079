"""`rawlabel train`; the published `train.py` calls it as well."""

from __future__ import annotations

import click

from rawlabel.base import processes
from rawlabel.cli.options import section_command
from rawlabel.config import TrainConfig, load_training


def _train(config: TrainConfig) -> None:
    from rawlabel.judge.evaluate.overlap import describe
    from rawlabel.judge.evaluate.stage import make_epoch_evaluator
    from rawlabel.train.stage import train

    if config.evaluate:
        return _evaluate(config)
    run = train(config, make_epoch_evaluator)
    if not processes.is_first():
        return None
    summary = run.summary()
    click.echo(f"selected epoch {summary.selected_epoch} of 0..{summary.last_epoch}: {summary.why_selected()}")
    if (encoder := run.read().encoder) is not None:
        click.echo(encoder.describe())
    for entry in summary.test_overlap.values():
        if said := describe(entry):
            click.echo(f"{said}: {run.overlap_path}")
    click.echo(f"run: {run.path}")
    if config.refit:
        click.echo(f"refit on all raw data: {run.path / 'refit'}")
    return None


def _evaluate(config: TrainConfig) -> None:
    from rawlabel.base.distributed import joined
    from rawlabel.judge.evaluate.one_checkpoint import evaluate_checkpoint

    with joined():
        found = evaluate_checkpoint(config)
    if not processes.is_first():
        return
    click.echo(f"{found.checkpoint}, epoch {found.epoch}, on {found.images} images of {found.test}:")
    click.echo(f" * Acc@1 {found.top1:.3f}" + (f" Acc@5 {found.top5:.3f}" if found.top5 is not None else ""))


COMMAND = section_command("train", TrainConfig, _train, load_training)
