"""The learning-rate schedule."""

from __future__ import annotations

from itertools import pairwise

from rawlabel.config import TrainConfig


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """The published step schedule: a factor `decay_rate` every `decay_epochs`, up to `decay_max_epochs`."""
    steps = min(epoch, config.decay_max_epochs) // config.decay_epochs
    return float(config.lr * config.decay_rate**steps)


def decays_left(config: TrainConfig, epoch: int) -> int:
    """How often the rate falls after `epoch`, within the run."""
    rates = [learning_rate(config, one) for one in range(epoch, config.epochs)]
    return sum(after < before for before, after in pairwise(rates))
