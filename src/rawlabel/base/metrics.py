"""Statistics of test results: exact intervals, tests for two models, confusion counts.

Counts go in as integers and stay integers. Accuracies and intervals are fractions from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Confusion(NamedTuple):
    """Of the `trials` test images of class `true`, `errors` were taken for class `predicted`."""

    true: int
    predicted: int
    errors: int
    trials: int


@overload
def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]: ...


@overload
def clopper_pearson(
    successes: NDArray[np.integer[Any]] | Sequence[int],
    trials: NDArray[np.integer[Any]] | Sequence[int] | int,
    confidence: float = 0.95,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...


def clopper_pearson(successes: Any, trials: Any, confidence: float = 0.95) -> tuple[Any, Any]:
    """Exact confidence interval of a binomial proportion.

    With k successes of n trials and alpha = 1 - confidence, the limits are the quantiles
    ``Beta(alpha/2; k, n-k+1)`` and ``Beta(1-alpha/2; k+1, n-k)``; the lower limit is exactly 0 at k = 0, the
    upper exactly 1 at k = n, and no trial at all tells nothing: (0, 1).

    Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case
    of the binomial", Biometrika 26 (1934) 404-413; in the Beta form in L. D. Brown, T. T. Cai and
    A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16 (2001) 101-133,
    section 4.2.1.

    Args:
        successes: Counts, of any shape.
        trials: Counts of the same shape, or one that broadcasts to it.
        confidence: Coverage that the interval guarantees, between 0 and 1.

    Returns:
        Lower and upper limits, as two floats or two arrays of the broadcast shape.

    Raises:
        ValueError: A count is no integer, is negative or exceeds its trials, or the confidence is out of
            range.
    """
    from scipy.special import betaincinv

    _check_confidence(confidence)
    k, n = np.broadcast_arrays(_counts(successes, "successes"), _counts(trials, "trials"))
    if (k > n).any():
        raise ValueError("successes must not exceed trials")
    tail = (1 - confidence) / 2
    # The clamped parameters only keep the quantile defined where `where` discards it anyway.
    lower = np.where(k == 0, 0.0, betaincinv(np.maximum(k, 1), n - k + 1, tail))
    upper = np.where(k == n, 1.0, betaincinv(k + 1, np.maximum(n - k, 1), 1 - tail))
    return lower[()], upper[()]


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float | None]:
    """Mean of repeated measurements (one a seed) and the half-width of its Student-t interval.

    The half-width is ``t(1 - alpha/2; m-1) * s / sqrt(m)`` for m values with the sample standard deviation s
    (divisor m - 1). It is None for one value, whose spread is unknown.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908) 1-25.

    Raises:
        ValueError: There is no value, one is not finite, or the confidence is out of range.
    """
    from scipy.special import stdtrit

    _check_confidence(confidence)
    sample = np.asarray(values, dtype=np.float64).ravel()
    if sample.size == 0 or not np.isfinite(sample).all():
        raise ValueError("mean_interval needs at least one value, and finite values only")
    mean = float(sample.mean())
    if sample.size < 2:
        return mean, None
    standard_error = float(sample.std(ddof=1)) / float(np.sqrt(sample.size))
    return mean, float(stdtrit(sample.size - 1, (1 + confidence) / 2)) * standard_error


def paired_counts_p(k_a: int, k_b: int, n: int) -> float:
    """Two-sided p of Fisher's exact test that two models with `k_a` and `k_b` of `n` right are equally good.

    For the case where per-image results are not at hand. The test treats the two samples as independent, which
    wastes power when both models saw the same images.

    Source: R. A. Fisher, "On the interpretation of chi-squared from contingency tables, and the calculation
    of P", Journal of the Royal Statistical Society 85 (1922) 87-94; computed by `scipy.stats.fisher_exact`.

    Raises:
        ValueError: A count is no integer, negative, or exceeds `n`.
    """
    from scipy.stats import fisher_exact

    a, b, trials = (int(_counts(value, "counts")) for value in (k_a, k_b, n))
    if max(a, b) > trials:
        raise ValueError("successes must not exceed trials")
    return float(fisher_exact(np.array([[a, trials - a], [b, trials - b]])).pvalue)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test that two models are equally good, on the same images.

    Of the images on which just one of them is right, either should be right on half: a binomial test of
    `only_first` among both counts. Without any such image nothing speaks against it, and p is 1.

    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947) 153-157; exact as in A. Agresti,
    "Categorical Data Analysis" (2002), section 10.1.4.

    Raises:
        ValueError: A count is no integer, or negative.
    """
    from scipy.stats import binomtest

    first, second = (int(_counts(value, "counts")) for value in (only_first, only_second))
    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p-values, in the order given.

    The i-th smallest of m (i from 1) becomes ``max over j <= i of min(1, (m - j + 1) * p_(j))``. Rejecting
    where the adjusted value is at most alpha keeps the chance of any false rejection at alpha, whatever the
    dependence of the tests.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979) 65-70.

    Raises:
        ValueError: A value is not between 0 and 1, or the array has more than one axis.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("holm needs one axis of p-values between 0 and 1")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def confusion_matrix(true: ArrayLike, predicted: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Count test images by true class (row) and predicted class (column).

    Args:
        true: Class indices, one an image.
        predicted: Class indices of the same images.
        num_classes: Side of the matrix; larger than every index.

    Returns:
        Counts of shape (num_classes, num_classes); row sums are the test images of each class.

    Raises:
        ValueError: The arrays differ in shape, or an index is no integer or out of range.
    """
    rows, columns = _counts(true, "true classes"), _counts(predicted, "predicted classes")
    if rows.ndim != 1 or rows.shape != columns.shape:
        raise ValueError("confusion_matrix needs two arrays with one axis and one length")
    if rows.size and max(int(rows.max()), int(columns.max())) >= num_classes:
        raise ValueError(f"class indices must lie below num_classes = {num_classes}")
    cells = np.bincount(rows * num_classes + columns, minlength=num_classes**2)
    return cells.astype(np.int64).reshape(num_classes, num_classes)


def top_confusions(matrix: NDArray[np.integer[Any]], count: int) -> list[Confusion]:
    """Return the `count` most frequent errors of a confusion matrix, most frequent first.

    Ties go by true class, then predicted class. Cells without any image are never listed, so the list may be
    shorter than asked for.

    Raises:
        ValueError: The matrix is not square or holds non-counts.
    """
    counts = _counts(matrix, "the confusion matrix")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError("top_confusions needs a square matrix")
    trials = counts.sum(axis=1)
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    order = np.argsort(-errors.ravel(), kind="stable")[:count]
    cells = (divmod(int(cell), counts.shape[0]) for cell in order)
    return [Confusion(i, j, int(errors[i, j]), int(trials[i])) for i, j in cells if errors[i, j] > 0]


def _counts(values: Any, what: str) -> NDArray[np.int64]:
    """Take `values` as int64, refusing all but non-negative whole numbers that are stored as such."""
    array = np.asarray(values)
    if array.size == 0:
        return array.astype(np.int64)
    # A float such as 0.58 * 50 is 28.999..., so a silent cast would lose a success.
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what} must be integers, not {array.dtype}")
    if (array < 0).any():
        raise ValueError(f"{what} must not be negative")
    return array.astype(np.int64)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
