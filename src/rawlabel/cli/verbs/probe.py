"""`rawlabel probe`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.artifacts.run_records import Accuracy
from rawlabel.cli.next_steps import after_evaluating
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import ProbeConfig

GROUP = "model"
PLACE = 30
SUMMARY = "measure a frozen network with simple classifiers beside a finished run, on the same raw labels"


def _probe(config: ProbeConfig) -> Ending:
    from rawlabel.judge.evaluate.frozen_probe import measure_probe

    measured = measure_probe(config)
    epoch = "" if measured.epoch is None else f", epoch {measured.epoch}"
    say(
        f"{measured.backbone}, frozen ({measured.origin}{epoch}): {measured.features} features, fitted to "
        f"{measured.training_images} raw labels, chosen by {measured.holdout_images} held-out ones"
    )
    linear, neighbors = measured.linear, measured.nearest_neighbors
    for name, setting, one in (
        ("linear", f"C = {linear.strength:<6g}", linear),
        ("nearest neighbors", f"k = {neighbors.neighbors:<6g}", neighbors),
    ):
        say(
            f"  {name:<17} {setting} raw holdout {one.raw_holdout_accuracy:.2f} %, test accuracy "
            f"{_test_accuracy(one.test)}"
        )
    say(measured.remark)
    say(f"written: {config.run}/probe.json")
    give(measured.as_json())
    return Ending(after_evaluating(config.run or Path()))


def _test_accuracy(one: Accuracy | None) -> str:
    if one is None:
        return "not measured: the run has no test set; name one with --test"
    lower, upper = one.interval
    return f"{one.accuracy:.2f} % [{lower:.2f}, {upper:.2f}]"


COMMAND = section_command("probe", ProbeConfig, _probe)
