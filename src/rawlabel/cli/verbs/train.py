"""`rawlabel train`; the published `train.py` calls it as well."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rawlabel.base import processes
from rawlabel.cli.next_steps import after_training
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say, wants_json
from rawlabel.config import TrainConfig, load_training
from rawlabel.errors import ConfigError

GROUP = "main path"
PLACE = 30
SUMMARY = "train on raw labels and select an epoch without a clean label"


def _train(config: TrainConfig) -> Ending:
    from rawlabel.judge.evaluate.left_out import find_copies
    from rawlabel.judge.evaluate.overlap import describe
    from rawlabel.judge.evaluate.stage import make_epoch_evaluator
    from rawlabel.training.stage import train

    if wants_json() and config.print_freq:
        raise ConfigError("--print-freq: writes lines where --json writes its document; leave one of them out")
    if config.evaluate:
        return _evaluate(config)
    run = train(config, make_epoch_evaluator, find_copies)
    if not processes.is_first():
        return Ending(("watch", run.path))
    summary = run.summary()
    say(f"selected epoch {summary.selected_epoch} of 0..{summary.last_epoch}: {summary.why_selected()}")
    if summary.looked_at:
        say(f"a person looked at {summary.looked_at:,} of the photos before training; no label was edited")
    if (encoder := run.read().encoder) is not None:
        say(encoder.describe())
    for entry in summary.test_overlap.values():
        if said := describe(entry):
            say(f"{said}: {run.overlap_path}")
    say(f"run: {run.path}")
    if config.refit:
        say(f"refit on all raw data: {run.path / 'refit'}")
    give({"run": run.path, **summary.as_json()})
    return Ending(after_training(run.path))


def _evaluate(config: TrainConfig) -> Ending:
    from rawlabel.base.distributed import joined
    from rawlabel.judge.evaluate.one_checkpoint import evaluate_checkpoint

    with joined():
        found = evaluate_checkpoint(config)
    on = ("train", "--root", config.root, "--resume", found.checkpoint)
    # What goes on with a head is the command that began it.
    ending = Ending(("evaluate", found.checkpoint.parent.parent) if config.encoder else on)
    if not processes.is_first():
        return ending
    say(f"{found.checkpoint}, epoch {found.epoch}, on {found.images} images of {found.test}:")
    say(f" * Acc@1 {found.top1:.3f}" + (f" Acc@5 {found.top5:.3f}" if found.top5 is not None else ""))
    give(found)
    return ending


def _load(file: Path | None, flags: Mapping[str, Any]) -> TrainConfig:
    """Which recipe is the usual one, and what goes with a method, only torch knows."""
    return load_training(file, flags, _has_gpu, _heeds_weights)


def _heeds_weights(method: str) -> bool:
    from rawlabel.models.method import heeds_weights

    return heeds_weights(method)


def _has_gpu() -> bool:
    from rawlabel.models.device import has_gpu

    return has_gpu()


COMMAND = section_command("train", TrainConfig, _train, _load)
