"""TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rawlabel.config import TrainConfig
from rawlabel.training.run_logger import RunLogger

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(RunLogger):
    """TensorBoard's event files, in the folder `tensorboard` of the run directory (`tensorboard --logdir RUNS`).

    docs.pytorch.org/docs/stable/tensorboard.html. Steps are epochs.
    """

    package = "tensorboard"
    _writer: SummaryWriter

    def start(self, config: TrainConfig, run_path: Path, first_epoch: int) -> None:
        """Begin an event file; TensorBoard hides what earlier ones have of `first_epoch` and later."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run_path / "tensorboard"), purge_step=first_epoch)
        settings = "\n".join(f"    {key} = {value}" for key, value in config.as_json().items())
        self._writer.add_text("settings", settings, first_epoch)

    def epoch(self, epoch: int, scalars: Mapping[str, float]) -> None:
        """Write the values of one epoch, counted from 0, as scalars under their names."""
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, epoch)

    def flush(self) -> None:
        """Write through to the event file, so that a killed process loses nothing of what was logged."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the event file; the logger cannot be used afterwards."""
        self._writer.close()


PLUGIN = TensorBoard
