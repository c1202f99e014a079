"""Several runs one after the other in the same two processes, which start once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import processes
from rawlabel.base.distributed import joined
from rawlabel.config import TrainConfig
from rawlabel.errors import Interrupted
from rawlabel.judge.evaluate.stage import make_epoch_evaluator
from rawlabel.models.checkpoint import load_checkpoint
from rawlabel.training.stage import train
from tests.helpers.tiny_training import tiny


def stopping_evaluator(config: TrainConfig, data: Any) -> Any:
    measure = make_epoch_evaluator(config, data)

    def measure_and_stop(predictor: Any) -> dict[str, Any]:
        if processes.rank() == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        # As between batches: at the second look all have heard of what one knew at the first.
        for _ in range(2):
            predictor.pause()
        return measure(predictor) if measure else {}

    return measure_and_stop


def stop(config: TrainConfig) -> None:
    try:
        train(config, stopping_evaluator)
    except Interrupted as interruption:
        assert interruption.exit_code == 143
        assert config.outpath is not None
        saved = load_checkpoint(RunDirectory(config.outpath).last_checkpoint)
        # Behind the epoch's last step, while test images were measured.
        assert saved["epoch"] == 0 and saved["step"] > 0
        return
    raise AssertionError("the run was not stopped")


def make_runs(data: str, out: str, *changes: str) -> None:
    """Make a run in each of two processes for each JSON object of changed settings, in folders by number.

    With `is_stopped` in it, the second process is told to stop behind the steps of the first epoch, and the run
    goes on afterwards. Every run is ended by the command.
    """
    with joined():
        for number, change in enumerate(changes):
            values = {"outpath": Path(out) / str(number), **json.loads(change)}
            is_stopped = values.pop("is_stopped", False)
            config = tiny(Path(data), **values)
            if is_stopped:
                stop(config)
            file = Path(out) / f"{number}-of-{processes.rank()}.json"
            file.write_text(json.dumps(config.as_json()))
            assert cli.run(["train", "--config", str(file)]) == 0
