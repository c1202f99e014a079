"""What judges evidence about labels, against values that were worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from rawlabel.judge.evaluate.label_judgement import (
    judge_confusions,
    judge_ranking,
    judge_shares,
    judge_suspicion,
    rank_correlation,
)
from rawlabel.judge.label_evidence.ambiguity import ClassSigns, Signature
from rawlabel.judge.label_evidence.noise_share import Interval, NoiseEvidence, ShareEstimate

RAW = np.array([0, 0, 0, 0, 1, 1, 2, 2])
TRUE = np.array([0, 0, 1, -1, 1, 1, 2, 0])
"""Three of eight labels are wrong, one on a photo of none of the classes; by class a half, none, a half."""


def estimate(name: str, limits: tuple[float, float], by_class: Sequence[float | None]) -> ShareEstimate:
    own = tuple(Interval(one, one, one) for one in by_class)
    return ShareEstimate(name, Interval(0.3, *limits), own, "", "", "")


@pytest.mark.parametrize(
    ("limits", "by_class", "is_covered", "correlation"),
    [
        # Ranks 3, 1, 2 beside 2.5, 1, 2.5: 1.5 / sqrt(2 * 1.5).
        ((0.2, 0.375), (0.3, 0.1, 0.2), True, math.sqrt(3) / 2),
        ((0.375, 0.5), (0.3, 0.1, 0.2), True, math.sqrt(3) / 2),
        ((0.2, 0.374), (0.1, 0.3, 0.1), False, -1),
        ((0.376, 0.5), (0.3, None, 0.2), False, None),  # two classes have no order to speak of
    ],
)
def test_a_share_is_covered_where_the_truth_of_the_same_photos_lies_within_its_limits(
    limits: tuple[float, float], by_class: Sequence[float | None], is_covered: bool, correlation: float | None
) -> None:
    noise = NoiseEvidence((estimate("one", limits, by_class),), np.eye(3) / 3, 8, 1, 0.95, 20)
    [found] = judge_shares(noise, RAW, TRUE)
    assert (found.estimator, found.estimate, found.true) == ("one", 0.3, 0.375)
    assert (found.lower, found.upper, found.is_covered) == (*limits, is_covered)
    assert found.rank_correlation == pytest.approx(math.nan if correlation is None else correlation, nan_ok=True)


def test_confusions_are_compared_off_the_diagonal_and_without_photos_of_no_class() -> None:
    off = [(raw, true) for raw in range(4) for true in range(4) if raw != true]
    # One photo of the first mistake, twelve of the last.
    pairs = [pair for count, pair in enumerate(off, start=1) for _ in range(count)]
    others = [(0, 0)] * 50 + [(0, -1)] * 50 + [(1, 4)] * 50
    raw, true = np.array(pairs + others).T
    alike, turned = np.diag([9.0, 9, 9, 9]), np.diag([9.0, 9, 9, 9])
    for count, pair in enumerate(off, start=1):
        alike[pair], turned[pair] = count, 13 - count
    assert judge_confusions(alike, raw, true) == {"rank_correlation": pytest.approx(1), "top_found": 1}
    # Turned around, the two rarest mistakes are among the first ten, and the two most frequent are not.
    assert judge_confusions(turned, raw, true) == {"rank_correlation": pytest.approx(-1), "top_found": 0.8}


def test_of_two_photos_with_one_score_each_counts_half() -> None:
    found = judge_suspicion(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, False, True, False]))
    # Of the four pairs three are in order and one is a tie; precision is 1 at half of the recall, then 2 of 3.
    assert found == {
        "auroc": pytest.approx(3.5 / 4),
        "average_precision": pytest.approx(0.5 * 1 + 0.5 * 2 / 3),
        "wrong_share": 0.5,
    }
    turned = judge_suspicion(-np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, False, True, False]))
    assert turned["auroc"] == pytest.approx(0.5 / 4)


def test_planted_classes_have_places_from_one() -> None:
    def sign(index: int, damage: float, signature: Signature) -> ClassSigns:
        return ClassSigns(index, damage, signature, None, 0, 0, 0, 0, 0, 0, 9)

    signs = [
        sign(2, 0.5, Signature.SIBLING_COLLAPSE), sign(0, 0.3, Signature.DIFFUSE_LOSS),
        sign(1, 0.3, Signature.NONE), sign(3, 0.1, Signature.NONE),
    ]  # fmt: skip
    # Of the four pairs of a planted and another class one is a tie, and none is in order.
    assert judge_ranking(signs, {0, 3}) == {
        "places": [2, 4], "auroc": pytest.approx(0.5 / 4), "flagged": 2, "planted_flagged": 1,
    }  # fmt: skip
    assert judge_ranking(signs, {2})["auroc"] == 1


def test_ranks_are_correlated_where_both_are_known() -> None:
    missing = math.nan
    # Ranks 1, 2, 3, 4 beside 2, 1, 4, 3: 1 - 6 * 4 / (4 * 15).
    first, second = np.array([1, 2, missing, 3, 4.0]), np.array([20, 10, 0, 40, 30.0])
    assert rank_correlation(first, second) == pytest.approx(0.6)
    for other in ([1, 1, 1, 1], [missing, missing, 1, 2]):
        assert math.isnan(rank_correlation(np.array([1.0, 2, 3, 4]), np.array(other, dtype=float)))
