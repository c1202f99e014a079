"""Settings of runs of a head on an encoder that takes a blink."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rawlabel.config import TrainConfig, load_training
from tests.helpers.backbone import BACKBONE


def settings(data: Path, weights: Path, out: Path, **changes: Any) -> TrainConfig:
    """The recipe with an encoder that takes a blink."""
    flags = {
        "recipe": "transfer", "root": data, "main": "candidate", "test": "test", "outpath": out,
        "encoder": BACKBONE, "weights": weights, "epochs": 6, "batch_size": 16, "holdout": 0.2, "seed": 7,
        "device": "cpu", "inject_noise": 0.3, "weighing": "soft", "weighing_neighbors": 10, "stop_option": (),
    }  # fmt: skip
    return load_training(None, {key: value for key, value in (flags | changes).items() if value is not None})
