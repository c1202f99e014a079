"""Refit after selection: all raw data, the holdout included, for as many steps as the selected epoch took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rawlabel.images.image_source import LabeledImages
from rawlabel.images.loader import BatchLoader, RawBatch
from rawlabel.training.data import TrainingData


def with_holdout(data: TrainingData) -> TrainingData:
    """`data` with the held-out images among the training images, after these, and nothing held out."""
    return replace(data, train=data.train.join(data.holdout), holdout=LabeledImages.nothing())


class StepBudgetLoader:
    """A loader whose epochs have a given number of steps: they go on through its passes over the images.

    So the learning rate and the method's own schedule follow the steps of the run that was selected.
    """

    def __init__(self, loader: BatchLoader, num_steps: int) -> None:
        self._loader, self.num_steps = loader, num_steps

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[RawBatch]:
        """The batches of `epoch` from `first_step` on."""
        start, stop = epoch * self.num_steps + first_step, (epoch + 1) * self.num_steps
        while start < stop:
            number, step = divmod(start, self._loader.num_steps)
            for batch in self._loader.epoch(number, step):
                yield batch
                start += 1
                if start == stop:
                    break

    def prepare(self, epoch: int, first_step: int = 0) -> None:
        """Let the threads begin with an epoch before `epoch` asks for it."""
        self._loader.prepare(*divmod(epoch * self.num_steps + first_step, self._loader.num_steps))

    def close(self) -> None:
        """End the threads of the loader that it cuts short."""
        self._loader.close()
