"""Run directories that hold a log and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from rawlabel.config import TrainConfig


def make_run(path: Path, test: list[float | None], held: list[float] | None = None, **settings: object) -> Path:
    """A run directory with a settings file and a log of so many epochs."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(TrainConfig().as_json() | {"outpath": str(path)} | settings))
    log = [
        {
            "epoch": epoch,
            "lr": 0.1,
            "train": {"acc1": 50.0},
            "holdout": {"acc1": held[epoch], "loss": 1.0} if held else {},
            "test": {"acc1": accuracy, "acc5": None},
        }
        for epoch, accuracy in enumerate(test)
    ]
    (path / "log.json").write_text(json.dumps(log))
    return path
