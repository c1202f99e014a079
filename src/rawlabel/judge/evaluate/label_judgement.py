"""How good evidence about labels is, where the truth is known. The evidence itself has never seen it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from rawlabel.judge.label_evidence.ambiguity import ClassSigns
from rawlabel.judge.label_evidence.noise_share import NoiseEvidence

Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShareJudgement:
    """One estimate of the share of wrong labels beside the true share of the same photos [0 to 1]."""

    estimator: str
    estimate: float
    lower: float
    upper: float
    true: float
    is_covered: bool
    rank_correlation: float
    """Spearman's, of the classes' estimated and true shares."""


def judge_shares(noise: NoiseEvidence, raw: Labels, true: Labels) -> list[ShareJudgement]:
    """Compare each estimate with the truth of the same photos; a true class may be none of the classes."""
    is_wrong = raw != true
    classes = len(noise.joint)
    by_class = np.array([is_wrong[raw == i].mean() if (raw == i).any() else np.nan for i in range(classes)])
    judged = []
    for one in noise.estimates:
        estimate, lower, upper = one.share.estimate, one.share.lower, one.share.upper
        assert estimate is not None and lower is not None and upper is not None
        own = np.array([np.nan if share.estimate is None else share.estimate for share in one.per_class])
        judged.append(
            ShareJudgement(
                one.name,
                estimate,
                lower,
                upper,
                float(is_wrong.mean()),
                bool(lower <= is_wrong.mean() <= upper),
                rank_correlation(own, by_class),
            )
        )
    return judged


def judge_confusions(joint: Floats, raw: Labels, true: Labels) -> dict[str, float]:
    """Rank correlation of the off-diagonal cells of an estimated joint with the true ones, and top pairs found.

    Cells are [raw label, true class]; photos of none of the classes are left out. `top_found` is the share of the
    ten most frequent true mistakes that are among the ten most frequent estimated ones.
    """
    classes = len(joint)
    known = (true >= 0) & (true < classes)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (raw[known], true[known]), 1)
    off = ~np.eye(classes, dtype=bool)
    most = min(10, off.sum())
    true_top = set(np.argsort(-counts[off], kind="stable")[:most].tolist())
    estimated_top = set(np.argsort(-joint[off], kind="stable")[:most].tolist())
    return {
        "rank_correlation": rank_correlation(joint[off], counts[off]),
        "top_found": len(true_top & estimated_top) / most,
    }


def judge_suspicion(scores: Floats, is_wrong: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Area under the ROC curve and average precision of a suspicion score for wrong labels, and their share."""
    return {
        "auroc": float(roc_auc_score(is_wrong, scores)),
        "average_precision": float(average_precision_score(is_wrong, scores)),
        "wrong_share": float(is_wrong.mean()),
    }


class RankingJudgement(TypedDict):
    """Where planted ambiguous classes stand in a ranking."""

    places: list[int]
    """From 1."""
    auroc: float
    flagged: int
    planted_flagged: int


def judge_ranking(signs: Sequence[ClassSigns], planted: Collection[int]) -> RankingJudgement:
    """Where classes that are known to be ambiguous stand in a ranking; places count from 1."""
    order = [one.class_index for one in signs]
    is_planted = np.array([one in planted for one in order])
    damage = np.array([one.expected_damage for one in signs])
    return {
        "places": sorted(order.index(one) + 1 for one in planted),
        "auroc": float(roc_auc_score(is_planted, damage)),
        "flagged": int(sum(one.signature != "none" for one in signs)),
        "planted_flagged": int(sum(one.signature != "none" for one in signs if one.class_index in planted)),
    }


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's rank correlation of the places where both are known; NaN where one does not vary."""
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(spearmanr(first, second).statistic)
