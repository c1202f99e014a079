"""Experiments without training: what they ask for can be built, and what is committed of them is consistent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rawlabel.base import families
from rawlabel.base.families import Family, names
from rawlabel.config import ExperimentConfig, TrainConfig, load_options
from rawlabel.experiments.experiment import as_markdown
from rawlabel.models.method import Method
from rawlabel.models.networks.building import build_network, load_network_options
from rawlabel.training.optimizers import make_optimizer
from rawlabel.training.schedule import learning_rate
from rawlabel.training.stopping_rule import StoppingRule

RESULTS = Path(__file__).parents[2] / "results" / "measured"
TABLES = [path for name in names(Family.EXPERIMENT) for path in sorted((RESULTS / name).glob("[cg]pu.json"))]


def trials(name: str, folder: Path) -> dict[str, TrainConfig]:
    """The settings of each row at full size; of seeds and label sets, which change no network, the first."""
    for part in ("train", "test"):
        (folder / f"{part}.parquet").touch()
    config = ExperimentConfig(name=name, data=folder, out=folder / "out", scale="gpu")
    found: dict[str, TrainConfig] = {}
    for trial in families.load(Family.EXPERIMENT, name)().trials(config):
        own = trial.config.model_dump(exclude={"seed", "outpath", "label_column", "inject_noise"})
        found.setdefault(json.dumps(own, default=str), trial.config)
    return {str(config.outpath and config.outpath.name.rsplit("-", 1)[0]): config for config in found.values()}


@pytest.mark.parametrize("name", names(Family.EXPERIMENT))
def test_every_training_at_full_size_can_be_built(tmp_path: Path, name: str) -> None:
    """On torch's meta device: shapes alone, no memory and no time."""
    built = set()
    for config in trials(name, tmp_path).values():
        assert min(learning_rate(config, epoch) for epoch in range(config.epochs)) > 0
        rule_type: type[StoppingRule[Any]] = families.load(Family.STOPPING_RULE, config.stop)
        rule_type(load_options(rule_type.Options, config.stop_option, "--stop-option"))
        what = (config.model, config.num_planes, config.method, config.method_option, config.nesterov)
        if what not in built:
            built.add(what)
            build(config)
    assert built


def build(config: TrainConfig) -> None:
    """The method with its networks, and the optimizer that is to move all of it."""
    method_type: type[Method[Any]] = families.load(Family.METHOD, config.method)
    options = load_options(method_type.Options, config.method_option, "--method-option")
    network_options = load_network_options(config)
    with torch.device("meta"):
        method = method_type(lambda: build_network(config.model, 10, options=network_options), 50_000, 10, options)
    optimizer = make_optimizer(config, method)
    moved = sum(one.numel() for group in optimizer.param_groups for one in group["params"])
    assert moved == sum(one.numel() for one in method.parameters() if one.requires_grad)
    images = torch.empty(2, 3, config.image_size, config.image_size, device="meta")
    assert method.network(images).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "row", "model", "epochs", "rates"),
    [
        ("cifar10n", "cross_entropy-clean", "cifar_stem_resnet34", 100, {0: 0.1, 59: 0.1, 60: 0.01, 99: 0.01}),
        ("cifar10n", "elr-aggregate", "cifar_stem_resnet34", 120, {0: 0.02, 5: 0.0105, 10: 0.02, 110: 0.02}),
        ("cifar10n", "gjs-aggregate", "preact_resnet32", 400, {0: 0.1, 199: 0.1, 200: 0.01, 300: 1e-3, 399: 1e-3}),
        ("cifar10n", "sop_plus-aggregate", "preact_resnet18", 300, {0: 0.02, 150: 0.0101, 299: 2e-4}),
        ("cifar10n", "dividemix-aggregate", "preact_resnet18", 300, {0: 0.02, 149: 0.02, 150: 0.002, 299: 0.002}),
        ("cifar100n", "elr-noisy", "cifar_stem_resnet34", 150, {0: 0.02, 79: 0.02, 80: 2e-4, 120: 2e-6}),
    ],
)
def test_the_recipes_have_the_published_networks_and_rates(
    tmp_path: Path, name: str, row: str, model: str, epochs: int, rates: dict[int, float]
) -> None:
    config = trials(name, tmp_path)[row]
    assert (config.model, config.batch_size, config.epochs) == (model, 128, epochs)
    assert [learning_rate(config, epoch) for epoch in rates] == pytest.approx(list(rates.values()), rel=1e-2)


@pytest.mark.parametrize("path", TABLES, ids=[f"{path.parent.name}/{path.name}" for path in TABLES])
def test_a_committed_table_says_what_its_numbers_say(path: Path) -> None:
    table = json.loads(path.read_text("utf-8"))
    experiment = families.load(Family.EXPERIMENT, table["experiment"])()
    assert path.with_suffix(".md").read_text("utf-8") == as_markdown(table, experiment)


def test_there_are_committed_tables_to_look_at() -> None:
    assert {"cifar10n", "raw_against_clean", "rule_regret"} <= {path.parent.name for path in TABLES}
