"""Statistics: against scipy's own implementations, textbook values and definitions."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from rawlabel.base.metrics import (
    clopper_pearson,
    confusion_matrix,
    holm,
    mean_interval,
    paired_counts_p,
    top_confusions,
)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
@settings(max_examples=150)
def test_interval_is_the_exact_one_of_scipy(counts, confidence):
    successes, trials = counts
    expected = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    lower, upper = clopper_pearson(successes, trials, confidence)
    assert lower == pytest.approx(expected.low, abs=1e-9)
    assert upper == pytest.approx(expected.high, abs=1e-9)
    assert lower <= successes / trials <= upper


def test_interval_at_the_ends_is_exact_and_without_trials_says_nothing():
    lower, upper = clopper_pearson(np.array([0, 50, 0]), np.array([50, 50, 0]))
    assert lower[0] == 0 and upper[1] == 1
    assert 0 < upper[0] < 0.1 < 0.9 < lower[1] < 1
    assert (lower[2], upper[2]) == (0, 1)


def test_interval_keeps_the_shape_and_broadcasts_the_trials():
    lower, upper = clopper_pearson(np.arange(6).reshape(2, 3), 10)
    assert lower.shape == upper.shape == (2, 3)
    assert (lower[1, 2], upper[1, 2]) == clopper_pearson(5, 10)


@pytest.mark.parametrize(
    ("successes", "trials", "confidence"),
    [
        (0.58 * 50, 50, 0.95),
        (np.array([1.0]), np.array([2]), 0.95),
        (True, 2, 0.95),
        (3, 2, 0.95),
        (-1, 2, 0.95),
        (1, 2, 1.0),
        (1, 2, 0.0),
    ],
)
def test_interval_refuses_what_are_no_counts(successes, trials, confidence):
    with pytest.raises(ValueError):
        clopper_pearson(successes, trials, confidence)


def test_mean_of_seeds_has_the_interval_of_student():
    values = [91.7, 91.1, 91.6, 91.7, 92.1]
    mean, half_width = mean_interval(values)
    low, high = t.interval(0.95, 4, loc=np.mean(values), scale=np.std(values, ddof=1) / np.sqrt(5))
    assert mean == pytest.approx(91.64)
    assert (mean - half_width, mean + half_width) == pytest.approx((low, high))
    assert mean_interval([91.7]) == (91.7, None)


@pytest.mark.parametrize("values", [[], [1.0, np.nan]])
def test_mean_refuses_no_values_and_no_numbers(values):
    with pytest.raises(ValueError):
        mean_interval(values)


def test_fisher_known_value():
    # The tea tasting of Fisher's "The design of experiments": 3 and 1 of 4, two-sided p = 34/70.
    assert paired_counts_p(3, 1, 4) == pytest.approx(34 / 70)
    assert paired_counts_p(20, 20, 50) == pytest.approx(1)
    with pytest.raises(ValueError):
        paired_counts_p(5, 1, 4)


def test_holm_known_value():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_never_lowers_p_nor_changes_the_order_nor_exceeds_bonferroni(p):
    adjusted = holm(p)
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p)) + 1e-12).all()


@pytest.mark.parametrize("p", [[1.2], [-0.1], [np.nan], [[0.1]]])
def test_holm_refuses_what_are_no_p_values(p):
    with pytest.raises(ValueError):
        holm(p)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=80))
def test_confusion_matrix_counts_every_image_once(pairs):
    true, predicted = [one for one, _ in pairs], [one for _, one in pairs]
    matrix = confusion_matrix(true, predicted, 5)
    assert matrix.dtype == np.int64
    assert all(matrix[i, j] == pairs.count((i, j)) for i in range(5) for j in range(5))


@pytest.mark.parametrize(("true", "predicted"), [([0, 1], [0]), ([0], [2]), ([-1], [0]), ([0.0], [0])])
def test_confusion_matrix_refuses_indices_that_do_not_fit(true, predicted):
    with pytest.raises(ValueError):
        confusion_matrix(true, predicted, 2)


def test_top_confusions_lists_errors_with_the_images_of_the_true_class():
    matrix = np.array([[5, 3, 0], [1, 9, 3], [0, 0, 7]])
    assert top_confusions(matrix, 2) == [(0, 1, 3, 8), (1, 2, 3, 13)]
    assert top_confusions(matrix, 10) == [(0, 1, 3, 8), (1, 2, 3, 13), (1, 0, 1, 13)]
    assert matrix[0, 0] == 5


def test_importing_the_metrics_loads_no_scipy():
    program = "import sys, rawlabel.base.metrics; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
