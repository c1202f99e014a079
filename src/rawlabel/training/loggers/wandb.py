"""Weights & Biases."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rawlabel.base.files import atomic_write
from rawlabel.config import TrainConfig
from rawlabel.training.run_logger import RunLogger

_MODES = ("offline", "disabled")
_SECONDS_BETWEEN_FLUSHES = 0.1
"""Its process keeps what it is told for 15 seconds by default, and ends with ours without writing it."""


class WeightsAndBiases(RunLogger):
    """Weights & Biases, in the folder `wandb` of the run directory; offline unless you ask for more.

    docs.wandb.ai/ref/python/init. With WANDB_MODE=online and a key in WANDB_API_KEY, epochs are sent as they come;
    otherwise nothing leaves this machine until you run `wandb sync`. The project is `rawlabel` or WANDB_PROJECT.
    Steps are epochs; one may stand there twice when the run is killed in the fraction of a second after it.
    """

    package = "wandb"
    _run: Any

    def start(self, config: TrainConfig, run_path: Path, first_epoch: int) -> None:
        """Begin the run, or go on with the one whose id is kept in `wandb/run-id.txt`."""
        import wandb

        folder = run_path / "wandb"
        id_path = folder / "run-id.txt"
        if not id_path.exists():
            with atomic_write(id_path) as stream:
                stream.write(secrets.token_hex(4).encode())
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "rawlabel"),
            name=run_path.name,
            id=id_path.read_text("ascii").strip(),
            resume="allow",
            dir=str(run_path),
            mode=_mode(os.environ),
            config=config.as_json(),
            # What this process prints is its own business, and its progress bar would be most of it.
            settings=wandb.Settings(
                silent=True, console="off", x_transaction_log_flush_interval=_SECONDS_BETWEEN_FLUSHES
            ),
        )

    def epoch(self, epoch: int, scalars: Mapping[str, float]) -> None:
        """Hand one epoch to the process of Weights & Biases."""
        self._run.log(dict(scalars), step=epoch, commit=True)

    def flush(self) -> None:
        """Wait until that process has written; it offers no way to ask for it."""
        time.sleep(3 * _SECONDS_BETWEEN_FLUSHES)

    def close(self) -> None:
        """Wait until all is written (offline) or sent (online), which may take as long as the network does."""
        self._run.finish()


def _mode(environment: Mapping[str, str]) -> Any:
    wished = environment.get("WANDB_MODE", "offline")
    if wished == "online" and environment.get("WANDB_API_KEY"):
        return wished
    return wished if wished in _MODES else "offline"


PLUGIN = WeightsAndBiases
