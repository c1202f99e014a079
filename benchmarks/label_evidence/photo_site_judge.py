"""Judge the detector of ambiguous classes on simulated sites with planted homonyms and sibling pairs.

    python benchmarks/label_evidence/photo_site_judge.py WORK_FOLDER OUT.json

Each seed is a site of its own with other planted classes; it is searched and curated as any site. The held-out
predictions come from five folds, cut by photographer, of a small network on edge histograms (scikit-learn), which
takes seconds where a convolutional one takes minutes. The site's truth and its clean test set are opened for the
judgement alone.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from _provenance import provenance
from _sites import collect_site
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rawlabel.base.files import read_json, write_json
from rawlabel.config import CurateConfig, PhotoSiteConfig
from rawlabel.gather.curate.stage import curate
from rawlabel.judge.evaluate.label_judgement import (
    judge_confusions,
    judge_ranking,
    judge_shares,
    judge_suspicion,
    rank_correlation,
)
from rawlabel.judge.label_evidence.ambiguity import find_ambiguous_classes
from rawlabel.judge.label_evidence.held_out import HeldOut, Pool
from rawlabel.judge.label_evidence.noise_share import estimate_noise
from rawlabel.judge.label_evidence.of_runs import shared_photos
from rawlabel.judge.label_evidence.suspicion import held_out_suspicion

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
PLANTED = (
    {"homonym_class": ["two"], "sibling_pair": ["four:nine"]},
    {"homonym_class": ["seven"], "sibling_pair": ["three:eight"]},
    {"homonym_class": ["zero"], "sibling_pair": ["one:five"]},
    {},
    {"homonym_class": ["three"], "sibling_pair": ["six:seven"]},
    {"homonym_class": ["five"], "sibling_pair": ["two:zero"]},
    {"homonym_class": ["nine"], "sibling_pair": ["one:four"]},
)
"""By seed. Some pairs are none of those that the site's ordinary noise mixes up; the fourth site has none."""
DEVELOPED_ON = (0, 1, 2)
"""Seeds whose truth was looked at when the sign of a second mode was chosen; the others only measure."""
SIDE = 32
"""Side of the images that the histograms are taken of [pixels]."""
FOLDS = 5
CELLS, DIRECTIONS = 8, 9


def main() -> None:
    """Judge one site a seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--per-class", type=int, default=250)
    parser.add_argument("--noise", type=float, default=0.2)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(len(PLANTED))))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    sites = []
    for seed in options.seeds:
        project = options.work / f"seed-{seed}"
        planted = PLANTED[seed % len(PLANTED)]
        settings = {key: tuple(value) for key, value in planted.items()}
        collect_site(
            project,
            PhotoSiteConfig(seed=seed, noise=options.noise, per_class=options.per_class, **settings),  # type: ignore[arg-type]
        )
        sites.append(
            {
                "seed": seed,
                "was_developed_on": seed in DEVELOPED_ON,
                "planted": planted,
                **judge_site(project, planted),
            }
        )
    facts = {"seeds": options.seeds, "noise": options.noise, "results_per_class": options.per_class}
    write_json(options.out, {"provenance": provenance(**facts), "sites": sites})


def judge_site(project: Path, planted: dict[str, list[str]]) -> dict[str, Any]:
    """Run the detector and all else on one site, and compare with its truth."""
    manifest = curate(CurateConfig(project=project))
    classes = manifest.class_ids
    rows = manifest.kept().select(["path", "photo_id", "class_id", "group"]).to_pylist()
    labels = np.array([classes.index(row["class_id"]) for row in rows], dtype=np.int64)
    described = np.stack([describe(project / row["path"]) for row in rows])
    held = fold(described, labels, [row["group"] for row in rows], [row["path"] for row in rows], tuple(classes))
    signs = find_ambiguous_classes(Pool.of(held), shared_photos(manifest, classes))
    pooled = Pool.of(held).mean()
    noise = estimate_noise(Pool.of(held))
    contents = read_json(project / "truth.json", "the truth of a simulated site")["photos"]
    true_of = {
        (row["path"], row["class_id"]): content_class(contents[row["photo_id"]]["content"], classes)
        for row in rows
    }
    true = np.array([true_of[photo, classes[i]] for photo, i in zip(pooled.photos, pooled.labels, strict=True)])
    names = {*planted.get("homonym_class", []), *":".join(planted.get("sibling_pair", [])).split(":")} - {""}
    loss = 1 - test_accuracy(project, described, labels, classes)
    damage = np.array([one.expected_damage for one in sorted(signs, key=lambda one: one.class_index)])
    return {
        "photos": len(labels),
        "held_out_accuracy_by_raw_label": float((pooled.predicted == pooled.labels).mean()),
        "ranking": [
            {
                "class": classes[one.class_index],
                "is_planted": classes[one.class_index] in names,
                "test_error": float(loss[one.class_index]),
                **{key: value for key, value in asdict(one).items() if key != "class_index"},
                "sibling": None if one.sibling is None else classes[one.sibling],
            }
            for one in signs
        ],
        "planted_judged": judge_ranking(signs, [classes.index(name) for name in names]) if names else None,
        "damage_rank_correlation_with_test_error": rank_correlation(damage, loss),
        "shares": [asdict(one) for one in judge_shares(noise, pooled.labels, true)],
        "confusions": judge_confusions(noise.joint, pooled.labels, true),
        "suspicion": judge_suspicion(held_out_suspicion(pooled).score, true != pooled.labels),
    }


def content_class(content: str, classes: list[str]) -> int:
    """Index of what a photo shows; -1 for none of the classes."""
    return classes.index(content) if content in classes else -1


def describe(path: Path) -> Floats:
    """Histograms of edge directions in a grid of cells, and mean colors of a 4 x 4 grid."""
    image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    down, across = np.gradient(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float64))
    # A light pen on a dark board draws the same edges as a dark one on paper, turned by half a circle.
    direction = (np.arctan2(down, across) % np.pi / np.pi * DIRECTIONS).astype(int) % DIRECTIONS
    strength = np.where(np.arange(DIRECTIONS)[:, None, None] == direction, np.hypot(down, across), 0)
    cells = np.stack([cv2.resize(one, (CELLS, CELLS), interpolation=cv2.INTER_AREA) for one in strength])
    colors = cv2.resize(small, (4, 4), interpolation=cv2.INTER_AREA).ravel() / 255
    return np.concatenate([np.sqrt(cells / (cells.sum() + 1e-9)).ravel(), colors])


def make_network(seed: int) -> Any:
    """A network of one hidden layer, stopped early enough not to memorize."""
    return make_pipeline(StandardScaler(), MLPClassifier((64,), alpha=1.0, max_iter=12, random_state=seed))


def fold(
    described: Floats, labels: Labels, groups: list[str], photos: list[str], classes: tuple[str, ...]
) -> list[HeldOut]:
    """Held-out predictions of each fold; no photographer is on both sides."""
    held = []
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for number, (train, test) in enumerate(folds.split(described, labels, groups)):
        network = make_network(number).fit(described[train], labels[train])
        probabilities = network.predict_proba(described[test])
        held.append(
            HeldOut(
                classes,
                tuple(photos[i] for i in test),
                labels[test],
                probabilities / probabilities.sum(axis=1, keepdims=True),
                hidden(network, described[test]),
            )
        )
    return held


def hidden(network: Any, described: Floats) -> Floats:
    """What the last layer gets."""
    scaler, layers = network[0], network[1]
    return np.maximum(scaler.transform(described) @ layers.coefs_[0] + layers.intercepts_[0], 0)


def test_accuracy(project: Path, described: Floats, labels: Labels, classes: list[str]) -> Floats:
    """Accuracy on the clean test photos of each class, of a network trained on all raw labels."""
    network = make_network(0).fit(described, labels)
    return np.array(
        [
            (
                network.predict(np.stack([describe(path) for path in sorted((project / "test" / name).iterdir())]))
                == i
            ).mean()
            for i, name in enumerate(classes)
        ]
    )


if __name__ == "__main__":
    main()
