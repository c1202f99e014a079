"""Judge suspicion by agreement, two shares of wrong labels, and `none of these`, where the truth is known.

    python benchmarks/label_evidence/agreement_judge.py WORK_FOLDER OUT.json SET...

Reads the sets that `agreement_sets.py` made. The truth is opened here, when the witnesses have spoken.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _provenance import provenance

from rawlabel.artifacts.split import folds
from rawlabel.base.files import write_json
from rawlabel.judge.evaluate.label_judgement import judge_suspicion
from rawlabel.judge.label_evidence.witnesses import Witnesses, agreement_suspicion, ask
from rawlabel.models.calibration import Calibration, fit_limits
from rawlabel.models.transfer.agreement import FOLDS, directions
from rawlabel.models.transfer.strays import LIMIT, find_strayed, strays

PICKED_ON = ("cifar10n-worst", "cifar10n-aggregate", "flowers-0.4-0")
"""Sets whose truth was looked at when the parts of the score and its limit were chosen."""
DRAWS = 1000
Bools = npt.NDArray[np.bool_]


def main() -> None:
    """Judge each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="+")
    options = parser.parse_args()
    sets = {name: judge(options.work, name) for name in options.sets}
    write_json(options.out, {"provenance": provenance(seeds=[0], bootstrap_draws=DRAWS), "sets": sets})


def judge(work: Path, name: str) -> dict[str, Any]:
    """One set."""
    with np.load(work / f"{name}.npz") as saved:
        features, labels, true, keys = (saved[key] for key in ("features", "labels", "true", "keys"))
    said = asked(work, name, features, labels, folds(keys, 0, FOLDS))
    score = agreement_suspicion(said, labels).score
    rows, is_wrong, is_off = np.arange(len(labels)), true != labels, true < 0
    pointed = directions(features, features.mean(axis=0))
    kinds = {
        "together": score,
        "neighbors": 1 - said.neighbors[rows, labels],
        "head": 1 - said.head[rows, labels],
        "agreement": 1 - said.agreement[rows, labels],
        "strayed": find_strayed(pointed, labels, said.weights, said.agreement.shape[1]),
    }
    others = (said.agreement.argmax(axis=1) != labels) & (said.strayed < LIMIT)
    return {
        "photos": len(labels),
        "was_picked_on": name in PICKED_ON,
        "suspicion": {kind: judge_suspicion(one, is_wrong) for kind, one in kinds.items()},
        "siblings_alone": judge_suspicion(score[~is_off], is_wrong[~is_off]) if is_off.any() else None,
        "shares": [
            share("mistaken_for_another", others, is_wrong & ~is_off),
            share("off_topic", said.strayed >= LIMIT, is_off),
        ],
        "none_of_these": judge_none(features, labels, true, said.weights, keys),
    }


def asked(work: Path, name: str, features: Any, labels: Any, parts: Any) -> Witnesses:
    """What the witnesses say, which takes minutes and is kept."""
    path, classes = work / f"w-{name}.npz", int(labels.max()) + 1
    if not path.exists():
        said = ask(features, labels, classes, parts)
        np.savez(path, neighbors=said.neighbors, head=said.head, agreement=said.agreement, weights=said.weights)
    with np.load(path) as saved:
        kept = [saved[key] for key in ("neighbors", "head", "agreement", "weights")]
    return Witnesses(*kept, strays(directions(features, features.mean(axis=0)), labels, kept[3], classes))


def share(name: str, found: Bools, true: Bools) -> dict[str, Any]:
    """A counted share with its bootstrap interval beside the true one."""
    drawn = np.random.default_rng(0).binomial(len(found), found.mean(), DRAWS) / len(found)
    lower, upper = (float(one) for one in np.quantile(drawn, (0.025, 0.975)))
    return {
        "estimator": name,
        "estimate": float(found.mean()),
        "lower": lower,
        "upper": upper,
        "true": float(true.mean()),
        "is_covered": bool(lower <= true.mean() <= upper),
    }


def judge_none(features: Any, labels: Any, true: Any, weights: Any, keys: Any) -> dict[str, Any]:
    """Limits from seven tenths of the photos, by author, and what they do to the others."""
    is_fitted = folds(keys, 1, 10) < 7
    pointed = directions(features, features[is_fitted].mean(axis=0))
    classes = int(labels.max()) + 1
    middles, limits, stated = fit_limits(pointed[is_fitted], labels[is_fitted], weights[is_fitted], classes)
    none = Calibration(1.0, 0, stated, middles, limits).is_none(pointed[~is_fitted])
    is_off = true[~is_fitted] < 0
    return {
        "stated_share": stated,
        "off_topic_photos": int(is_off.sum()),
        "off_topic_found": float(none[is_off].mean()) if is_off.any() else None,
        "others_turned_away": float(none[~is_off].mean()),
    }


if __name__ == "__main__":
    main()
