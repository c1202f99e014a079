"""What changes from step to step: the learning rate, and from epoch to epoch: the size of the views.

``step``
    a factor `decay_rate` every `decay_epochs`, up to `decay_max_epochs`, as the published trainer has it; where
    `decay_at` names epochs, at the beginning of each of these instead;
``cosine``
    min_lr + (lr - min_lr) (1 + cos(pi t)) / 2, where t goes from 0 to 1 over the steps after the warm-up (arXiv
    1608.03983, equation 5, without restarts);
``cosine_restarts``
    the same, but t goes from 0 to 1 in every `restart_epochs` epochs after the warm-up (ibid., with periods of one
    length). As there, each step has a rate of its own; code that sets it once an epoch, as that of ELR, ends a
    period above `min_lr`;
``constant``
    lr;
``cyclic``
    in straight lines from lr / 100 to lr and back, `cycle_steps` steps each way (arXiv 1506.01186, "triangular");
``inverse_sqrt``
    lr / sqrt(1 + s / `inverse_rate`) at step s of the run, counted from 0.

A warm-up multiplies the rate at step s by (s + 1) / its steps.
"""

from __future__ import annotations

import math
from itertools import pairwise

from rawlabel.config import TrainConfig

_LOWEST_OF_CYCLE = 0.01


def learning_rate(config: TrainConfig, epoch: int, step: int = 0, num_steps: int = 1) -> float:
    """The rate at `step` of the `num_steps` of `epoch`, all counted from 0."""
    total, position = config.epochs * num_steps, epoch * num_steps + step
    warmup = config.warmup_epochs * num_steps
    rate = _rate(config, epoch, position, warmup, total)
    return float(rate * (position + 1) / warmup if position + 1 < warmup else rate)


def _rate(config: TrainConfig, epoch: int, position: int, warmup: float, total: int) -> float:
    """The rate without a warm-up at `position`, the number of a step of the `total` of the run."""
    match config.lr_schedule:
        case "constant":
            return config.lr
        case "cosine":
            return _cosine(config, max(position - warmup, 0) / max(total - warmup, 1))
        case "cosine_restarts":
            period = config.restart_epochs * total / config.epochs
            return _cosine(config, max(position - warmup, 0) % period / period)
        case "cyclic":
            way = position / config.cycle_steps % 2
            return config.lr * (_LOWEST_OF_CYCLE + (1 - _LOWEST_OF_CYCLE) * (way if way <= 1 else 2 - way))
        case "inverse_sqrt":
            return config.lr / math.sqrt(1 + position / config.inverse_rate)
        case _:
            return float(config.lr * config.decay_rate ** _decays(config, epoch))


def _cosine(config: TrainConfig, way: float) -> float:
    return config.min_lr + (config.lr - config.min_lr) * (1 + math.cos(math.pi * min(way, 1.0))) / 2


def _decays(config: TrainConfig, epoch: int) -> int:
    """How often the rate has fallen by its factor when `epoch` begins."""
    if config.decay_at:
        return sum(at <= epoch for at in config.decay_at)
    return min(epoch, config.decay_max_epochs) // config.decay_epochs


def decays_left(config: TrainConfig, epoch: int) -> int:
    """How often the rate falls after `epoch`, within the run.

    A rate that falls, or rises and falls, until the end of the run is one decay that is never over: 1 in all
    epochs. So no rule that waits for the last decay halts under it, or takes each epoch for a decay of its own.
    Restarts are no decays: behind each the rate is high again, and every curve is worse for half a period. A rule
    that counted periods would lose its patience there, in the last one, before that one's best epochs come.
    """
    if config.lr_schedule != "step":
        return 0 if config.lr_schedule == "constant" else 1
    rates = [_rate(config, one, 0, 0, 1) for one in range(epoch, config.epochs)]
    return sum(after < before for before, after in pairwise(rates))
