"""Which statistic tells a photo of none of the classes from the others: candidates for `none of these`.

    python benchmarks/label_evidence/none_statistics.py WORK_FOLDER OUT.json SET...

Reads the sets that `agreement_sets.py` made. Every statistic is fitted to seven tenths of the photos, by author,
with raw labels alone; the truth of the other photos is opened afterwards. Strangers are photos of the other site,
such as no training photo shows. On CIFAR-10N every photo shows a class, so all who are turned away are so wrongly.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _provenance import provenance
from agreement_judge import asked
from scipy.special import logsumexp, softmax
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score

from rawlabel.artifacts.split import folds
from rawlabel.base.files import write_json
from rawlabel.models.calibration import fit_limits
from rawlabel.models.transfer.agreement import FOLDS, STRENGTH, balanced_votes, directions
from rawlabel.models.transfer.likeness import class_middles
from rawlabel.models.transfer.strays import LIMIT, find_strayed, strays

NEAREST = 20
TURNED_AWAY = 0.05
"""Share of the photos of the classes at which the share of the others that is found is compared, too."""
STEP = 3
"""Of the other site every so many photos are strangers."""
RIDGE = 10.0
"""Strength of the regression, on features of length 1."""
MOST_STRAYED = 5.0
"""Spreads that a regression takes for more."""
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a statistic may look at: the training photos, directions [photos, features], and their raw labels."""

    features: npt.NDArray[np.float32]
    labels: Labels
    weights: Floats
    classes: int

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Which photos stray in no group [photos]."""
        return strays(self.features, self.labels, self.weights, self.classes) < LIMIT


def main() -> None:
    """Measure every statistic on every set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="+")
    options = parser.parse_args()
    sets = {name: measure(options.work, name, options.sets) for name in options.sets}
    write_json(options.out, {"provenance": provenance(seeds=[0], turned_away=TURNED_AWAY), "sets": sets})


def measure(work: Path, name: str, names: list[str]) -> dict[str, Any]:
    """One set; strangers are photos of the first of `names` that is of another site."""
    with np.load(work / f"{name}.npz") as saved:
        features, labels, true, keys = (saved[key] for key in ("features", "labels", "true", "keys"))
    weights = asked(work, name, features, labels, folds(keys, 0, FOLDS)).weights
    is_fitted = folds(keys, 1, 10) < 7
    middle = features[is_fitted].mean(axis=0)
    pointed = directions(features, middle)
    train = Fitted(pointed[is_fitted], labels[is_fitted], weights[is_fitted], int(labels.max()) + 1)
    elsewhere = next(one for one in names if one.split("-")[0] != name.split("-")[0])
    with np.load(work / f"{elsewhere}.npz") as saved:
        unknown = directions(saved["features"][::STEP], middle)
    is_off, seen = true[~is_fitted] < 0, np.concatenate([pointed[~is_fitted], unknown])
    is_grouped, off_fitted = ~train.kept, true[is_fitted] < 0
    return {
        "off_topic_photos": int(is_off.sum()),
        "others": int((~is_off).sum()),
        "off_topic_trained_on": int(off_fitted.sum()),
        "of_these_in_strayed_groups": _mean(is_grouped[off_fitted]),
        "mean_weight_of_these": _mean(train.weights[off_fitted]),
        "mean_weight_of_others": float(train.weights[~off_fitted].mean()),
        "limits": fit_limits(train.features, train.labels, train.weights, train.classes)[1].round(3).tolist(),
        "strangers": {"set": elsewhere, "photos": len(unknown)},
        "statistics": {
            kind: judged(one(train, seen), is_off, LIMITS.get(kind)) for kind, one in STATISTICS.items()
        },
    }


def judged(score: Floats, is_off: npt.NDArray[np.bool_], limit: float | None) -> dict[str, float | None]:
    """How a `score`, large where a photo is like no class, tells these photos, and strangers behind them.

    `limit` is one of raw labels alone, from which on photos would be turned away.
    """
    off, others, unknown = score[: len(is_off)][is_off], score[: len(is_off)][~is_off], score[len(is_off) :]
    turned = np.quantile(others, 1 - TURNED_AWAY)
    at_limit = {
        "off_topic_found_at_limit": off,
        "others_turned_away_at_limit": others,
        "strangers_at_limit": unknown,
    }
    return {
        "auroc": _area(others, off),
        "off_topic_found": _mean(off > turned),
        "auroc_of_strangers": _area(others, unknown),
        **{name: None if limit is None else _mean(one > limit) for name, one in at_limit.items()},
    }


def _mean(values: npt.NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _area(others: Floats, strange: Floats) -> float | None:
    if not len(strange):
        return None
    is_strange = np.arange(len(others) + len(strange)) >= len(others)
    return float(roc_auc_score(is_strange, np.concatenate([others, strange])))


def beyond_limits(train: Fitted, seen: Floats) -> Floats:
    """How far below the limit of the nearest class, as `none of these` is decided."""
    middles, limits, _ = fit_limits(train.features, train.labels, train.weights, train.classes)
    return np.min(limits - seen @ middles.T, axis=1)


def nearest_middle(train: Fitted, seen: Floats) -> Floats:
    """The distance to the nearest middle of a core, of one limit for all classes."""
    middles, _, _ = fit_limits(train.features, train.labels, train.weights, train.classes)
    return 1 - np.max(seen @ middles.T, axis=1)


def nearest_mean(train: Fitted, seen: Floats) -> Floats:
    """The distance to the nearest mean of a class, all photos counting the same."""
    means = class_middles(train.features, train.labels, np.ones(len(train.labels)), train.classes)
    return 1 - np.max(seen @ means.T, axis=1)


def nearest_photos(train: Fitted, seen: Floats) -> Floats:
    """The mean distance to the nearest training photos."""
    return 1 - np.sort(seen @ train.features.T, axis=1)[:, -NEAREST:].mean(axis=1)


def nearest_trusted_photos(train: Fitted, seen: Floats) -> Floats:
    """The mean distance to the nearest training photos that are neither doubted nor in a group that strays."""
    trusted = train.features[train.kept & (train.weights > 0.5)]
    return 1 - np.sort(seen @ trusted.T, axis=1)[:, -NEAREST:].mean(axis=1)


def median_of_class(train: Fitted, seen: Floats) -> Floats:
    """Spreads of the nearest class below the median likeness to its trusted photos."""
    found = np.full((len(seen), train.classes), np.inf)
    for one in range(train.classes):
        trusted = train.features[(train.labels == one) & (train.weights > 0.5)]
        usual = np.median(trusted @ trusted.T, axis=1)
        lower, middle, upper = np.quantile(usual, (0.25, 0.5, 0.75))
        found[:, one] = (middle - np.median(seen @ trusted.T, axis=1)) / max(upper - lower, 1e-9)
    return found.min(axis=1)


def strayed_neighbors(train: Fitted, seen: Floats) -> Floats:
    """The mean straying, from their own class, of the nearest training photos."""
    strayed = find_strayed(train.features, train.labels, train.weights, train.classes)
    return strayed[_nearest(train, seen)].mean(axis=1)


def neighbors_unlike_all(train: Fitted, seen: Floats) -> Floats:
    """How unlike the class nearest to each the nearest training photos are, whatever their label."""
    return median_of_class(train, train.features)[_nearest(train, seen)].mean(axis=1)


def regressed_straying(train: Fitted, seen: Floats) -> Floats:
    """The straying that a linear regression on features expects."""
    strayed = find_strayed(train.features, train.labels, train.weights, train.classes)
    model = Ridge(alpha=RIDGE).fit(train.features, np.clip(strayed, -MOST_STRAYED, MOST_STRAYED))
    return np.asarray(model.predict(seen), dtype=np.float64)


def neighbors_disagree(train: Fitted, seen: Floats) -> Floats:
    """What the balanced votes of the nearest training photos do not give to one class."""
    votes = balanced_votes(_nearest(train, seen), train.labels, train.weights, train.classes)
    return 1 - votes.max(axis=1)


def mahalanobis(train: Fitted, seen: Floats) -> Floats:
    """Of the nearest class, with one shrunk covariance (Ledoit and Wolf) within classes."""
    means, inside, _ = _spread(train)
    return _distances(seen, means, inside).min(axis=1)


def relative_mahalanobis(train: Fitted, seen: Floats) -> Floats:
    """The same less the distance to all photos with their own covariance (Ren et al., arXiv 2106.09022)."""
    *_, around = _spread(train)
    background = _distances(seen, train.features.mean(axis=0, keepdims=True), around)[:, 0]
    return mahalanobis(train, seen) - background


def head_logit(train: Fitted, seen: Floats) -> Floats:
    """How low the highest logit of a weighted head is."""
    return -_logits(train, seen).max(axis=1)


def head_energy(train: Fitted, seen: Floats) -> Floats:
    """The energy of the same logits (Liu et al., arXiv 2010.03759)."""
    return -logsumexp(_logits(train, seen), axis=1)


def head_probability(train: Fitted, seen: Floats) -> Floats:
    """What the same head does not give to the likeliest class."""
    return 1 - softmax(_logits(train, seen), axis=1).max(axis=1)


def _nearest(train: Fitted, seen: Floats) -> Labels:
    return np.argsort(-(seen @ train.features.T), axis=1)[:, :NEAREST]


def _spread(train: Fitted) -> tuple[Floats, Floats, Floats]:
    """Weighted means of the classes, and the inverse covariances within and around them."""
    shares = np.eye(train.classes)[train.labels] * train.weights[:, None]
    means = shares.T @ train.features / np.maximum(shares.sum(axis=0), 1e-12)[:, None]
    is_sure = train.weights > 0.5
    inside = LedoitWolf(assume_centered=True).fit((train.features - means[train.labels])[is_sure])
    return means, inside.precision_, LedoitWolf().fit(train.features).precision_


def _distances(seen: Floats, means: Floats, precision: Floats) -> Floats:
    apart = [np.einsum("ij,jk,ik->i", seen - one, precision, seen - one, optimize=True) for one in means]
    return np.stack(apart, axis=1)


def _logits(train: Fitted, seen: Floats) -> Floats:
    head = LogisticRegression(C=STRENGTH, max_iter=200)
    head.fit(train.features, train.labels, train.weights)
    return np.asarray(head.decision_function(seen), dtype=np.float64)


STATISTICS: dict[str, Callable[[Fitted, Any], Floats]] = {
    "beyond the limits of all classes (as now)": beyond_limits,
    "distance to the nearest core": nearest_middle,
    "distance to the nearest class mean": nearest_mean,
    f"mean distance to {NEAREST} nearest photos": nearest_photos,
    f"mean distance to {NEAREST} nearest trusted photos": nearest_trusted_photos,
    "median likeness to the nearest class": median_of_class,
    f"straying of {NEAREST} nearest photos": strayed_neighbors,
    f"median likeness of {NEAREST} nearest photos to the class nearest to each": neighbors_unlike_all,
    "straying by linear regression": regressed_straying,
    f"disagreement of {NEAREST} nearest photos": neighbors_disagree,
    "Mahalanobis, shrunk covariance": mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "head: highest logit": head_logit,
    "head: energy": head_energy,
    "head: highest probability": head_probability,
}
LIMITS = {
    "beyond the limits of all classes (as now)": 0.0,
    f"straying of {NEAREST} nearest photos": LIMIT,
    "straying by linear regression": LIMIT,
}
"""Of statistics that have one, which was picked elsewhere; see `rawlabel.models.transfer.strays`."""

if __name__ == "__main__":
    main()
