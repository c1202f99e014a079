"""Which stopping rule the recipe `transfer` should have: heads on kept features, chosen and judged on two halves.

Settings are sets of raw labels x heads; of these, every other one, as on a chessboard, with the even seeds chooses
the rule with the smallest largest mean regret, and the others with the odd seeds judge it (LOG.md says so, before
the trainings). Each training is the loop's own method, loader, optimizer and rate, without what a run keeps on the
disk; the rules see its records alone.

    python benchmarks/rule_of_heads.py --flowers FLOWERS --cifar10n CIFAR10N \\
        --out results/measured/rule_regret/heads.json

`FLOWERS` holds class folders `candidate` and `test`, `CIFAR10N` the Parquet files `train` and `test`; features are
kept under the first, and in `--work` for the second. Trainings that --out has are not made again.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base.correctness import is_right
from rawlabel.base.files import atomic_write, read_json, write_json
from rawlabel.config import TrainConfig, load_training
from rawlabel.images.feature_loader import FeatureLoader
from rawlabel.images.input import InputRequest, read_input
from rawlabel.images.kept_features import KeptFeatures
from rawlabel.judge.evaluate.rule_regret import load_rules
from rawlabel.models.device import choose_device
from rawlabel.models.method import Batch
from rawlabel.models.predictor import build_predictor
from rawlabel.models.transfer.head import centre
from rawlabel.models.transfer.store import FeatureStore
from rawlabel.records import EpochRecord
from rawlabel.training.data import load_training_data
from rawlabel.training.measuring.statistics import class_size_ratio, holdout_statistics
from rawlabel.training.optimizers import make_optimizer, set_rates
from rawlabel.training.schedule import learning_rate

FLOWERS = {f"flowers {round(100 * rate)} %": {"inject_noise": rate} for rate in (0.0, 0.2, 0.4, 0.6)}
CIFAR10N = {
    f"cifar10n {name}": {
        "label_column": column, "encoder": "efficientnet_lite0@128", "holdout": 0.05, "epochs": 20,
        "batch_size": 256,
    }
    for name, column in (
        ("clean", "clean_label"), ("aggregate", "aggregate_label"), ("random1", "random_label1"),
        ("worst", "worst_label"),
    )
}  # fmt: skip
HEADS: dict[str, dict[str, Any]] = {
    "cross_entropy": {"weight_decay": 0.03},
    "gce": {"weight_decay": 0.03, "method": "gce"},
    "elr": {"weight_decay": 0.02, "method": "elr"},
    "hidden": {"weight_decay": 5e-4, "hidden": 256},
    "hidden, no decay": {"weight_decay": 0.0, "hidden": 256, "lr": 0.05},
}
CHOOSING = frozenset(
    f"{name}: {head}"
    for (i, name), (k, head) in product(enumerate((*FLOWERS, *CIFAR10N)), enumerate(HEADS))
    if (i + k) % 2 == 0
)
SEEDS = {True: (20, 22, 24), False: (21, 23, 25)}
"""Of the half that chooses, and of the other."""
RULES = (
    *(f"noisy_holdout:window={window}" for window in (1, 3, 5, 10)),
    *(f"noisy_holdout:window={window},early={early}" for window in (5, 10) for early in (1, 2, 3)),
    *(f"noisy_holdout:window={window},shorter={shorter}" for window in (5, 10) for shorter in (0.5, 1, 2)),
)
WITH_BAND = ("noisy_holdout:window=10,shorter=0.5,band=1", "noisy_holdout:window=1,band=1")
"""Rules that came after the trainings; the first was the recipe's then, the second is now."""


def configuration(name: str, head: str, seed: int, arguments: argparse.Namespace) -> TrainConfig:
    """Settings of one training: the recipe's, but for what the grid says."""
    is_flowers = name in FLOWERS
    where = (
        {"root": arguments.flowers, "main": "candidate", "test": "test"}
        if is_flowers
        else {
            "root": arguments.work, "main": str(arguments.cifar10n / "train.parquet"),
            "test": str(arguments.cifar10n / "test.parquet"), "test_label_column": "clean_label",
        }
    )  # fmt: skip
    own = (FLOWERS if is_flowers else CIFAR10N)[name]
    given = {"recipe": "transfer", "weighing": "none", "choose": "off", "seed": seed, "device": "cpu"}
    return load_training(None, given | where | own | HEADS[head])


def curve(config: TrainConfig, kept: dict[str, KeptFeatures]) -> dict[str, Any]:
    """The holdout accuracies of a head's epochs, and apart from them its test accuracy in each."""
    data = load_training_data(config)
    torch.manual_seed(config.seed or 0)
    predictor = build_predictor(config, len(data.train), len(data.class_ids))
    store, method = predictor.store, predictor.method
    assert isinstance(store, FeatureStore)
    request = InputRequest("test", config.test_label_column)
    test = read_input(config.root / str(config.test), request).images
    key = str(config.test)
    if key not in kept:
        kept[key] = store.features(test.source, "features of test images")
    train, held = (store.features(one.source, "features") for one in (data.train, data.holdout))
    centre(method, train)
    optimizer, loader = make_optimizer(config, method), FeatureLoader(train, config.batch_size, config.seed or 0)
    labels, entries, tested = torch.from_numpy(data.train.labels), [], []
    for epoch in range(config.epochs):
        method.train()
        method.epoch = epoch
        method.on_epoch_start()
        for step, raw in enumerate(loader.epoch(epoch)):
            set_rates(optimizer, learning_rate(config, epoch, step, loader.num_steps))
            ids = raw.sample_ids

            def descend(views: torch.Tensor = raw.views, ids: torch.Tensor = ids) -> torch.Tensor:
                optimizer.zero_grad(set_to_none=True)
                loss: torch.Tensor = method(Batch(views, labels[ids], ids)).loss
                loss.backward()  # type: ignore[no-untyped-call]
                return loss.detach()

            optimizer.step(descend)
            method.on_step_end()
        entries.append(holdout_statistics(predictor.logits(held), data.holdout.labels))
        tested.append(100 * float(is_right(predictor.logits(kept[key]), test.labels).mean()))
    return {
        "holdout": len(data.holdout),
        "class_size_ratio": class_size_ratio(data.train.labels),
        "holdout_accuracy": [one["acc1"] for one in entries],
        "holdout_balanced_accuracy": [one["balanced_acc1"] for one in entries],
        "test": tested,
    }


def records_of(one: dict[str, Any]) -> list[EpochRecord]:
    """What the rules see of a training; they read nothing else."""
    both = zip(one["holdout_accuracy"], one["holdout_balanced_accuracy"], strict=True)
    return [
        EpochRecord(
            epoch=epoch, learning_rate=0.0, train_loss=0.0, train_accuracy=0.0, holdout_loss=None,
            holdout_accuracy=plain,
            holdout_balanced_accuracy=balanced, class_size_ratio=one["class_size_ratio"],
            holdout_images=one["holdout"], epochs_left=len(one["test"]) - 1 - epoch,
        )
        for epoch, (plain, balanced) in enumerate(both)
    ]  # fmt: skip


def trials() -> Iterator[tuple[str, str, int]]:
    """Set, head and seed of each training: whole grids one pair of seeds after the other."""
    for pair, (name, head) in product(range(3), product((*FLOWERS, *CIFAR10N), HEADS)):
        yield name, head, SEEDS[f"{name}: {head}" in CHOOSING][pair]


def regrets(curves: dict[str, dict[str, Any]], *, choosing: bool) -> dict[str, dict[str, float]]:
    """By rule and setting, the mean regret [points] over the seeds of a half."""
    found: dict[str, dict[str, list[float]]] = {}
    for text, rule in load_rules((*RULES, *WITH_BAND)).items():
        for key, one in curves.items():
            setting, _, seed = key.rpartition(", seed ")
            if (setting in CHOOSING) == choosing and int(seed) in SEEDS[choosing]:
                cost = max(one["test"]) - one["test"][rule.select(records_of(one)).epoch]
                found.setdefault(text, {}).setdefault(setting, []).append(cost)
    return {text: {name: float(np.mean(one)) for name, one in rows.items()} for text, rows in found.items()}


def table(told: dict[str, Any]) -> str:
    """The rules by their largest mean regret on the half that chooses, with what they cost on the other.

    Command, commit and processor are those that the JSON file `told` names, whoever makes the page from it.
    """
    curves: dict[str, dict[str, Any]] = told["trainings"]
    halves = {choosing: regrets(curves, choosing=choosing) for choosing in (True, False)}
    order = sorted((*RULES, *WITH_BAND), key=lambda rule: max(halves[True][rule].values()))
    lines = []
    for rule in order:
        cells = []
        for half in (True, False):
            rows = halves[half][rule]
            worst = max(rows, key=lambda name: rows[name])
            cells.append(f"{rows[worst]:.2f} | {worst} | {np.mean(list(rows.values())):.2f}")
        lines.append(f"| {rule} | {' | '.join(cells)} |")
    commits = Counter(one.get("commit", told["commit"]) for one in curves.values())
    others = ((count, commit) for commit, count in commits.items() if commit != told["commit"])
    added = "".join(f"; {count} trainings of {commit}" for count, commit in others)
    return (
        "Stopping rules on heads over kept features: points below the oracle epoch, mean over seeds; largest\n"
        "over the settings, where, and mean over the settings.\n\n"
        "| rule | choosing: largest | where | mean | judging: largest | where | mean |\n"
        "|---|--:|---|--:|--:|---|--:|\n"
        + "\n".join(lines)
        + f"\n\n- {len(curves)} trainings of {len(list(trials()))}; {len(halves[True][RULES[0]])} settings choose "
        f"on seeds 20, 22, 24, {len(halves[False][RULES[0]])} judge on 21, 23, 25, as far as these are trained\n"
        "- the halves and the candidates were written down in LOG.md before the trainings, those with a band not\n"
        f"- command: `{told['command']}`\n- commit: {told['commit']}{added}\n- processor: {told['processor']}\n"
    )


def main() -> None:
    """Train what is missing, then write the logs and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flowers", type=Path, required=True)
    parser.add_argument("--cifar10n", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--seconds", type=float, default=1e9, help="stop behind the training that ends after these"
    )
    arguments = parser.parse_args()
    choose_device("cpu")
    torch.set_num_threads(1)
    environment = describe_environment()
    command = "python benchmarks/rule_of_heads.py --flowers FLOWERS --cifar10n CIFAR10N --out OUT"
    facts = {"command": command, "commit": environment.commit, "processor": environment.processor}
    told = read_json(arguments.out, "curves") if arguments.out.exists() else {**facts, "trainings": {}}
    curves: dict[str, dict[str, Any]] = told["trainings"]
    kept: dict[str, KeptFeatures] = {}
    ends = time.monotonic() + arguments.seconds
    for name, head, seed in trials():
        key = f"{name}: {head}, seed {seed}"
        if key in curves or time.monotonic() > ends:
            continue
        curves[key] = curve(configuration(name, head, seed, arguments), kept) | {"commit": environment.commit}
        write_json(arguments.out, told)
        print(key, f"{max(curves[key]['test']):.2f}", flush=True)
    with atomic_write(arguments.out.with_suffix(".md")) as stream:
        stream.write(table(told).encode())


if __name__ == "__main__":
    main()
