"""`rawlabel evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import EpochAccuracy
from rawlabel.cli.options import section_command
from rawlabel.config import EvaluateConfig

_LABELS = {
    "selected": "chosen without clean labels",
    "last": "last epoch",
    "oracle": "oracle: best on this test set, which nobody could have chosen",
}


def _evaluate(config: EvaluateConfig) -> None:
    from rawlabel.judge.evaluate.stage import evaluate

    test = evaluate(config).test
    assert test is not None
    click.echo(f"test accuracy on {test.images} images of {test.folder}:")
    if test.classes is not None:
        names = ", ".join(test.classes)
        click.echo(f"  of {len(test.classes)} of the {test.training_classes} training classes alone: {names}")
    for name, label in _LABELS.items():
        if (one := getattr(test, name)) is not None:
            click.echo(f"  epoch {one.epoch:>3} ({label}): {describe_accuracies(one)}")
    if config.run:
        _describe_fit(RunDirectory(config.run), config.truth)
    if config.truth and config.run:
        from rawlabel.judge.evaluate.truth import is_site_truth, raw_label_accuracy_of_run

        if not is_site_truth(config.truth):
            return
        raw = raw_label_accuracy_of_run(RunDirectory(config.run), config.truth)
        click.echo(f"raw labels: {raw.percent:.1f} % right ({raw.correct} of {raw.total}), says {config.truth}")


def _describe_fit(run: RunDirectory, truth: Path | None) -> None:
    """Say which labels were fitted first, where the truth is known."""
    from rawlabel.judge.evaluate.fit_curves import write_fit_curves

    curves = write_fit_curves(run, truth)
    if curves is None:
        return
    verdict = curves["verdict"]
    click.echo(f"correct labels fitted before wrong ones: {verdict['clean_labels_first']}")
    if "epoch" in verdict:
        click.echo(
            f"  epoch {verdict['epoch']:>3}: {100 * verdict['correct_fitted']:.1f} % of the correct and "
            f"{100 * verdict['wrong_fitted']:.1f} % of the wrong labels reproduced; all epochs: fit_curves.json"
        )


def describe_accuracies(one: EpochAccuracy) -> str:
    """Top-1 and, where measured, top-5, each with its interval."""
    parts = []
    for name, measured in (("top-1", one.top1), ("top-5", one.top5)):
        if measured is not None:
            lower, upper = measured.interval
            parts.append(f"{name} {measured.accuracy:.2f} % [{lower:.2f}, {upper:.2f}]")
    if one.unanswered:
        parts.append(f"{one.unanswered} images have no finite answer, for the network has diverged")
    return ", ".join(parts)


COMMAND = section_command("evaluate", EvaluateConfig, _evaluate)
