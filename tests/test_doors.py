"""What importing a package brings along: each looks at `sys.modules` of a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "timm", "sklearn")
LIGHT = {
    "artifacts": ("artifacts.run_directory", "artifacts.manifest", "artifacts.catalogue.catalogue"),
    "manifests": ("manifests.export", "manifests.noise", "manifests.verify.stage", "manifests.rebuild.stage"),
    "gather": ("gather.collect.stage", "gather.curate.stage", "gather.prepare.stage", "manifests.prune.stage"),
    "show": ("show.report.stage", "show.figures.drawing", "show.figures.worth"),
    "the site of the demo": ("chain.demo_site", "cli.verbs.photo_site"),
    "stopping rules": ("training.stopping", "training.stopping_rule", "config"),
}
RULES = ("gwa", "label_wave", "last_epoch", "noisy_holdout", "noisy_holdout_loss", "patience")


def loaded_by(*names: str) -> set[str]:
    """Modules of a fresh interpreter that has imported these."""
    script = f"import {', '.join(names)}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("room", LIGHT)
def test_what_needs_no_network_loads_no_torch(room: str) -> None:
    assert not loaded_by(*(f"rawlabel.{name}" for name in LIGHT[room])) & set(HEAVY)


def test_stopping_rules_load_nothing_but_the_records() -> None:
    own = {
        name
        for name in loaded_by(*(f"rawlabel.training.stopping.{rule}" for rule in RULES))
        if name.startswith("rawlabel.") and not name.startswith("rawlabel.training.stopping")
    }
    assert own - {"rawlabel.training", "rawlabel.records", "rawlabel.errors"} <= {
        "rawlabel.base", "rawlabel.base.json_values", "rawlabel.config", "rawlabel.config.declaring",
        "rawlabel.config.verbs",
    }  # fmt: skip


def test_importing_the_product_loads_neither_the_simulator_nor_the_benchmark() -> None:
    assert not {name for name in loaded_by("rawlabel.cli", "rawlabel.chain.demo") if name.startswith("rawlabel_")}
