"""`rawlabel experiment`."""

from __future__ import annotations

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import ExperimentConfig

GROUP = "research"
PLACE = 10
SUMMARY = "train a grid of settings with several seeds, and write the table that answers its question"


def _experiment(config: ExperimentConfig) -> Ending:
    from rawlabel.experiments.experiment import run_experiment

    give(run_experiment(config))
    say((config.out / "table.md").read_text("utf-8"))
    return Ending(("figures", "--results", config.out))


COMMAND = section_command("experiment", ExperimentConfig, _experiment)
