"""`rawlabel evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import Decontamination, EpochAccuracy
from rawlabel.cli.next_steps import after_evaluating
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import EvaluateConfig

GROUP = "model"
PLACE = 20
SUMMARY = "open the test set and measure a finished run"

_LABELS = {
    "selected": "chosen without clean labels",
    "last": "last epoch",
    "oracle": "oracle: best on this test set, which nobody could have chosen",
}


def _evaluate(config: EvaluateConfig) -> Ending:
    from rawlabel.judge.evaluate.stage import evaluate

    test = evaluate(config).test
    assert test is not None
    document: dict[str, object] = {"test": test.as_json()}
    say(f"test accuracy on {test.images} images of {test.folder}:")
    if test.classes is not None:
        names = ", ".join(test.classes)
        say(f"  of {len(test.classes)} of the {test.training_classes} training classes alone: {names}")
    for name, label in _LABELS.items():
        if (one := getattr(test, name)) is not None:
            where = one.where if one.weights else f"epoch {one.epoch:>3}"
            say(f"  {where} ({label}): {describe_accuracies(one)}")
    if (copies := test.decontamination) is not None:
        for line in describe_copies(copies, test.images):
            say(f"  {line}")
    if (cost := test.choice) is not None:
        say(f"head: the chosen one has {cost.describe()}")
    assert config.run is not None  # or `evaluate` had refused
    document["fit"] = _describe_fit(RunDirectory(config.run), config.truth)
    if config.truth:
        from rawlabel.judge.evaluate.truth import is_site_truth, raw_label_accuracy_of_run

        if is_site_truth(config.truth):
            raw = raw_label_accuracy_of_run(RunDirectory(config.run), config.truth)
            say(f"raw labels: {raw.percent:.1f} % right ({raw.correct} of {raw.total}), says {config.truth}")
            document["raw_labels"] = raw
    give(document)
    return Ending(after_evaluating(config.run))


def _describe_fit(run: RunDirectory, truth: Path | None) -> Any:
    """Say which labels were fitted first, where the truth is known; returns the verdict."""
    from rawlabel.judge.evaluate.fit_curves import write_fit_curves

    curves = write_fit_curves(run, truth)
    if curves is None:
        return None
    verdict = curves["verdict"]
    say(f"correct labels fitted before wrong ones: {verdict['clean_labels_first']}")
    if "epoch" in verdict:
        say(
            f"  epoch {verdict['epoch']:>3}: {100 * verdict['correct_fitted']:.1f} % of the correct and "
            f"{100 * verdict['wrong_fitted']:.1f} % of the wrong labels reproduced; all epochs: fit_curves.json"
        )
    return verdict


def describe_copies(copies: Decontamination, images: int) -> list[str]:
    """The accuracy on test images with and without a copy among the candidates, and what certifies it."""
    fate = "left out of training" if copies.is_certified else "trained on or held out"
    counts = {"clean": images - copies.overlapping, "overlap": copies.overlapping}
    told = {"clean": "test images without a copy", "overlap": f"test images with a copy, which was {fate}"}
    lines = [
        f"{name}: {counts[name]} {told[name]}: {measured.accuracy:.2f} % [{lower:.2f}, {upper:.2f}]"
        for name, measured in (("clean", copies.clean), ("overlap", copies.overlap))
        if copies.overlapping and measured is not None
        for lower, upper in [measured.interval]
    ]
    return [*lines, f"{copies.status}: {copies.says}"]


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
