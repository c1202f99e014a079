"""How far the paper's 35 excluded classes can be foreseen from what its authors published besides test results.

    python benchmarks/label_evidence/paper_judge.py . results/measured/label_evidence/paper.json

The published files have neither photos nor held-out predictions, so the detector itself cannot be run on them.
What can be tried before any test result: numbers of photos, keywords, and the class list's warnings. The predicted
mass of a class uses the test images, though not their labels, and is marked so; since correct test images are a
part of it, and the truth is made of them, it is also given without them. The confusion matrices and accuracies are
the truth to be foreseen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _provenance import provenance
from sklearn.metrics import roc_auc_score

from rawlabel.base.files import write_json
from rawlabel.gather.classes.warnings import WarningKind, find_warnings
from rawlabel.gather.classes.wordnet import load_wordnet
from rawlabel.judge.evaluate.label_judgement import rank_correlation
from rawlabel.judge.label_evidence.ambiguity import SIBLING_SHARE
from rawlabel.records import ClassSpec

Floats = npt.NDArray[np.float64]
TEST_IMAGES = 50
DRAWS = 2000


def main() -> None:
    """Judge each sign on all 135 classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paper", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    ids, excluded, drop, confusion = read_truth(options.paper)
    signs = read_signs(options.paper, ids, confusion)
    result = {
        "provenance": provenance(seeds=[0], bootstrap_draws=DRAWS),
        "truth": {
            "classes": len(ids),
            "excluded": int(excluded.sum()),
            "drop": "correct test images (of 50) of the ImageNet-trained model minus the Flickr-trained one's",
        },
        "signs": [judge(name, values, excluded, drop) for name, values in signs.items()],
        "signatures_of_excluded_classes": signatures(confusion, drop, excluded, ids),
        "not_tested": "held-out confusion, feature modes, shared photos and the detector as a whole: the authors "
        "published neither the photos, nor which photo was found under which keyword, nor predictions for them",
    }
    write_json(options.out, result)


def read_truth(paper: Path) -> tuple[list[str], npt.NDArray[np.bool_], Floats, Floats]:
    """WordNet ids, which were excluded, the drop of each class [test images], the Flickr model's confusions."""
    index = json.loads((paper / "metadata" / "idx2cls.json").read_text())
    ids = [index[str(i)] for i in range(len(index))]
    correct = {
        name: json.loads((paper / "results" / f"{name}_err" / "corr.json").read_text())
        for name in ("flickr", "imagenet")
    }
    drop = np.array([correct["imagenet"][one] - correct["flickr"][one] for one in ids], dtype=np.float64)
    order = [
        line.split()[0] for line in (paper / "metadata" / "num_imgs_per_class.txt").read_text().splitlines()[1:]
    ]
    lines = (paper / "metadata" / "num_imgs_per_class_excluded.txt").read_text().splitlines()[1:]
    names = {order[int(line.split()[0])] for line in lines}
    confusion = np.load(paper / "results" / "flickr_conf" / "confmat.npy").astype(np.float64)
    return ids, np.array([one in names for one in ids]), drop, confusion


def read_signs(paper: Path, ids: list[str], confusion: Floats) -> dict[str, Floats]:
    """For each sign one number a class, larger for more suspicious; NaN where the keyword file lacks the class."""
    keywords = json.loads((paper / "metadata" / "tiny_classes_to_search.json").read_text())
    lines = (paper / "metadata" / "num_imgs_per_class.txt").read_text().splitlines()[1:]
    found = {line.split()[0]: int(line.split()[1]) for line in lines}
    wordnet = load_wordnet()
    listed = [one for one in ids if one in keywords]
    specs = [ClassSpec(one, one, tuple(keywords[one])) for one in listed]
    warned = {one: dict.fromkeys(WarningKind, 0.0) for one in listed}
    for warning in find_warnings(specs, None, 1, wordnet):
        warned[warning.class_ids[0]][warning.kind] += 1

    def known(function: Any) -> Floats:
        return np.array([function(one) if one in keywords else np.nan for one in ids], dtype=np.float64)

    def meanings(one: str) -> int:
        return max(len(wordnet.meanings(word)) for word in keywords[one])

    return {
        "few photos": np.array([-found[one] for one in ids], dtype=np.float64),
        "many photos": np.array([found[one] for one in ids], dtype=np.float64),
        "a keyword of one word": known(lambda one: any(len(word.split()) == 1 for word in keywords[one])),
        "number of keywords": known(lambda one: len(keywords[one])),
        "short keyword": known(lambda one: -min(len(word) for word in keywords[one])),
        "meanings of the most ambiguous keyword in WordNet": known(meanings),
        "warning: ambiguous word": known(lambda one: warned[one][WarningKind.AMBIGUOUS_WORD]),
        "warning: keyword inside another": known(lambda one: warned[one][WarningKind.KEYWORD_INSIDE_ANOTHER]),
        "any warning about the class list": known(lambda one: sum(warned[one].values())),
        "mass deficit on the test images (their labels unused)": TEST_IMAGES - confusion.sum(axis=0),
        # Less of it, more suspicious, as with the deficit; what is left out is what the truth is made of.
        "few test images of other classes taken for it": np.diag(confusion) - confusion.sum(axis=0),
    }


def judge(name: str, values: Floats, excluded: npt.NDArray[np.bool_], drop: Floats) -> dict[str, Any]:
    """AUROC for being excluded and rank correlation with the drop, with bootstrap intervals over classes."""
    known = np.flatnonzero(~np.isnan(values))
    rng = np.random.default_rng(0)
    areas, ranks = [], []
    for _ in range(DRAWS):
        rows = rng.choice(known, len(known))
        if 0 < excluded[rows].sum() < len(rows):
            areas.append(roc_auc_score(excluded[rows], values[rows]))
            ranks.append(rank_correlation(values[rows], drop[rows]))
    return {
        "sign": name,
        "classes": len(known),
        "auroc_excluded": float(roc_auc_score(excluded[known], values[known])),
        "auroc_interval": np.quantile(areas, (0.025, 0.975)).tolist(),
        "rank_correlation_with_drop": rank_correlation(values[known], drop[known]),
        "rank_correlation_interval": np.nanquantile(ranks, (0.025, 0.975)).tolist(),
    }


def signatures(confusion: Floats, drop: Floats, excluded: npt.NDArray[np.bool_], ids: list[str]) -> dict[str, Any]:
    """How many excluded classes collapse onto one other class by the detector's rule, and the worst of each."""
    off = confusion - np.diag(np.diag(confusion))
    lost, largest = off.sum(axis=1), off.max(axis=1)
    collapsed = largest >= SIBLING_SHARE * lost
    worst = [i for i in np.argsort(-drop, kind="stable") if excluded[i]]

    def some(kind: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
        return [
            {
                "class": ids[i],
                "drop": int(drop[i]),
                "lost": int(lost[i]),
                "to_one": int(largest[i]),
                "other": ids[off[i].argmax()],
            }
            for i in worst
            if kind[i]
        ][:6]

    return {
        "sibling collapse": int((collapsed & excluded).sum()),
        "diffuse loss": int((~collapsed & excluded).sum()),
        "worst with sibling collapse": some(collapsed),
        "worst with diffuse loss": some(~collapsed),
    }


if __name__ == "__main__":
    main()
