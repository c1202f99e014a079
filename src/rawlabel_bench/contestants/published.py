"""The published trainer's loop, written afresh."""

from __future__ import annotations

from rawlabel_bench.contestants.examples import Examples
from rawlabel_bench.measuring import EpochClock


class Published(Examples):
    """PyTorch's example, and after each epoch a second pass over the training set for the train accuracy, through
    the augmenting and shuffling training loader, as the published trainer makes it (main_worker in train.py).
    """

    def epoch(self, clock: EpochClock) -> dict[str, float]:
        """Train, validate on the training set, validate on the test set, save a checkpoint."""
        self.train(clock)
        trained = self.validate(self.train_loader)
        return {"train": trained, "test": self.validate(self.test_loader)} | self.finish()


PLUGIN = Published
