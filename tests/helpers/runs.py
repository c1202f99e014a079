"""Runs for tests: as a command line, cut off, and compared to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import TrainConfig
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.checkpoint import load_weights
from tests.helpers.tiny_training import tiny


class Crash(Exception):
    """Stands for a power cut in the middle of an epoch."""


def crashing_after(epochs: int) -> Callable[[TrainConfig, Any], Any]:
    """A maker of evaluators, as `train` takes one, whose evaluator crashes when so many epochs were measured."""

    def make(config: TrainConfig, training: Any) -> Any:
        evaluator, seen = make_epoch_evaluator(config, training), []
        assert evaluator is not None

        def measure(predictor: Any) -> dict[str, Any]:
            seen.append(1)
            if len(seen) > epochs:
                raise Crash
            return evaluator(predictor)

        return measure

    return make


def arguments(data: Path, out: Path, **flags: object) -> list[str | Path]:
    """The command line of a tiny run."""
    config = tiny(data, outpath=out, **flags).as_json()
    given = [
        "root", "main", "test", "outpath", "model", "image_size", "epochs", "batch_size", "lr", "decay_epochs",
        "holdout", "seed", "device",
    ]  # fmt: skip
    return ["train", *(word for key in given for word in (f"--{key.replace('_', '-')}", str(config[key])))]


def same_weights(one: Path, two: Path) -> bool:
    first, second = load_weights(one)["method"], load_weights(two)["method"]
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def assert_same_run(one: RunDirectory, two: RunDirectory) -> None:
    assert one.log_path.read_bytes() == two.log_path.read_bytes()
    assert same_weights(one.last_weights, two.last_weights)
    assert same_weights(one.selected_checkpoint, two.selected_checkpoint)
    assert one.summary() == two.summary()


def numbers(value: Any, path: str = "") -> dict[str, float]:
    """Every number of a log, or of a part of one, by its place."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = {key: one for name, part in items for key, one in numbers(part, f"{path}.{name}").items()}
    return found | ({path: float(value)} if isinstance(value, int | float) else {})
