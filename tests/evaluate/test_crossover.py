"""How many times more raw images match a clean set."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rawlabel.judge.evaluate.crossover import measure_crossover


@pytest.mark.parametrize(
    ("clean", "multiple"),
    [(50.0, math.sqrt(2)), (55.0, 2.0), (60.0, 2 * math.sqrt(2)), (45.0, 1.0), (30.0, 1.0), (65.1, math.inf)],
)
def test_the_multiple_is_where_the_raw_line_reaches_the_clean_accuracy(clean: float, multiple: float) -> None:
    raw = {200: (55.0,), 100: (45.0,), 400: (65.0,)}
    found = measure_crossover(100, (clean,), raw)
    assert (found.multiple, found.multiples) == (pytest.approx(multiple), (1, 2, 4))
    assert found.interval is None  # one run of a set tells nothing of the spread
    assert found.as_json()["multiple"] == (None if math.isinf(multiple) else found.multiple)


def test_intervals_hold_the_true_multiple_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(40):
        clean = 50 + rng.normal(size=3)
        raw = {size: 45 + 10 * math.log2(size / 100) + rng.normal(size=3) for size in (100, 200, 400)}
        low, high = measure_crossover(100, clean, raw, resamples=100).interval or (0, 0)
        held += low <= math.sqrt(2) <= high
    assert held >= 35


def test_an_interval_that_the_measured_sizes_do_not_close_ends_in_any_number() -> None:
    raw = {100: (40.0, 42.0, 44.0), 200: (48.0, 50.0, 53.0)}
    found = measure_crossover(100, (49.0, 50.0, 51.5), raw)
    assert 1 < found.multiple <= 2
    assert found.as_json()["interval"][1] is None
