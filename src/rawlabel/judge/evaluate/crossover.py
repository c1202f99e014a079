"""How many times more raw images it takes to train as well as a clean set, for the same number of steps.

Between two raw sizes that were measured, the mean accuracy is taken to rise in a line over the logarithm of the
size; beyond the largest one nothing is taken to be known, and the multiple is any number. Intervals are
percentiles of a parametric bootstrap, as those of `worth`: the mean of each set's runs is drawn anew
by Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from rawlabel.judge.evaluate.worth import drawn_mean


class CrossoverRow(TypedDict):
    """A crossover as it is written, where None stands for a multiple that no number of images reaches."""

    num_clean: int
    multiples: list[float]
    multiple: float | None
    interval: list[float | None] | None


@dataclass(frozen=True)
class Crossover:
    """The multiple m* of one kind of raw labels against one clean set."""

    num_clean: int
    """Images of the clean set."""
    multiples: tuple[float, ...]
    """Sizes of the raw sets, as multiples of it, ascending."""
    multiple: float
    """The smallest multiple that trains as well; the first of `multiples` stands for itself and all below it, and
    infinity for any number above the last."""
    interval: tuple[float, float] | None
    """Bootstrap interval of it; None when a set has a single run."""

    def as_json(self) -> CrossoverRow:
        """The crossover as plain values, where None stands for a multiple that no number of images reaches."""
        low_high = None if self.interval is None else [_finite(end) for end in self.interval]
        return {"num_clean": self.num_clean, "multiples": list(self.multiples),
                "multiple": _finite(self.multiple), "interval": low_high}  # fmt: skip


def measure_crossover(
    num_clean: int,
    clean: Sequence[float],
    raw: Mapping[int, Sequence[float]],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Crossover:
    """Compare accuracies of runs on `num_clean` clean images with those of raw runs by their number of images."""
    sizes = sorted(raw)
    multiples = tuple(size / num_clean for size in sizes)
    means = [float(np.mean(raw[size])) for size in sizes]
    interval = None
    if min(map(len, (clean, *raw.values()))) > 1:
        rng = np.random.default_rng(seed)
        drawn = [
            _crossing(multiples, [drawn_mean(raw[size], rng) for size in sizes], drawn_mean(clean, rng))
            for _ in range(resamples)
        ]
        tail = (1 - confidence) / 2
        # Among unlimited values there is nothing to interpolate.
        low, high = np.quantile(drawn, [tail, 1 - tail], method="nearest")
        interval = float(low), float(high)
    return Crossover(num_clean, multiples, _crossing(multiples, means, float(np.mean(clean))), interval)


def _crossing(multiples: Sequence[float], means: Sequence[float], wanted: float) -> float:
    """Where the line through the means first reaches `wanted`."""
    if means[0] >= wanted:
        return multiples[0]
    for i in range(1, len(means)):
        if means[i] >= wanted:
            way = (wanted - means[i - 1]) / (means[i] - means[i - 1])
            return math.exp(math.log(multiples[i - 1]) + way * math.log(multiples[i] / multiples[i - 1]))
    return math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
