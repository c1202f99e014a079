"""The side of the training views over the epochs."""

from __future__ import annotations

from rawlabel.config import TrainConfig


def image_size_at(config: TrainConfig, epoch: int) -> int:
    """Side of the training views in an epoch [pixels], in steps of 32, or of 4 up to a side of 64.

    Training on small images first and on the full size last costs less and loses little (Howard's progressive
    resizing, fast.ai 2018; Touvron et al., arXiv 1906.06423).
    """
    start, end, growing = config.progressive_from, config.image_size, 3 * config.epochs // 4
    if not start or start >= end or epoch >= growing:
        return end
    step = 4 if end <= 64 else 32
    return min(end, max(8, step, round((start + (end - start) * epoch / growing) / step) * step))


def pixels_to_come(config: TrainConfig, epoch: int) -> float:
    """How many times the pixels of a view of `epoch` one has in the mean, from that epoch to the last."""
    sides = [image_size_at(config, one) for one in range(epoch, config.epochs)]
    return sum(side**2 for side in sides) / len(sides) / sides[0] ** 2
