"""What a photo's mirror image brings a head on kept features, on flowers with labels made wrong uniformly.

Four ways with the recipe's encoder, views and candidates: the photo alone; the mean of the features of photo and
mirror image, in training as on the test set; mirror images as further training photos, in the fold and with the
raw label of their photo; and these with the mean of what is said of photo and mirror image. Each way chooses its
head by raw labels alone, and the chosen one is fitted anew and asked about the test set, as `rawlabel evaluate`
does it.

    python benchmarks/mirror_views.py --data FLOWERS --work WORK --seeds 10 11 12 13 14 --auroc 10 14

`FLOWERS` holds class folders under `train` and `test`. Rows and features are kept under WORK; a stopped call goes
on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _tables import commits_of_seeds, origin, parser_of, said, span, write_tables

from rawlabel.artifacts.run_directory import source_commit
from rawlabel.artifacts.split import folds
from rawlabel.base.files import read_json, write_json
from rawlabel.config import TrainConfig, load_training
from rawlabel.config.training.transfer import HeadCandidate, read_candidates
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.input import InputRequest, read_input
from rawlabel.judge.evaluate.label_judgement import judge_suspicion
from rawlabel.judge.evaluate.left_out import find_copies
from rawlabel.judge.label_evidence.witnesses import agreement_suspicion, ask
from rawlabel.models.encoder import Encoder, load_encoder
from rawlabel.models.transfer.agreement import FOLDS
from rawlabel.models.transfer.choice import Scores, calibrated_losses, cross_fitted_heads, fitted_heads
from rawlabel.models.transfer.encoded_views import stored_features
from rawlabel.training.around.fitting import with_fitting_views
from rawlabel.training.around.leaving_out import leave_out
from rawlabel.training.around.refit import with_holdout
from rawlabel.training.data import TrainingData, load_training_data

SHARES = [0.0, 0.2, 0.4, 0.6]
WAYS = ("photo", "mean", "more photos", "more photos, both asked")
"""In the order of the description above."""
Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Said = Sequence[Floats]
"""Probabilities [photos, classes], one array a candidate."""


@dataclass(frozen=True, eq=False)
class Views:
    """Features [photos, features] of photos and of their mirror images."""

    photos: Floats
    mirrored: Floats

    @property
    def mean(self) -> Floats:
        """Of both."""
        return (self.photos + self.mirrored) / 2

    def rows(self, ids: slice) -> Views:
        """Those of some photos."""
        return Views(self.photos[ids], self.mirrored[ids])


@dataclass(frozen=True, eq=False)
class Trained:
    """What a share and seed is judged by: all photos with raw labels, those that heads are fitted to first."""

    config: TrainConfig
    data: TrainingData
    views: Views
    folds: Ints
    test: LabeledImages
    test_views: Views

    @property
    def labels(self) -> Ints:
        """Raw ones [photos]."""
        return with_holdout(self.data).train.labels

    @property
    def candidates(self) -> Sequence[HeadCandidate]:
        """The recipe's."""
        return read_candidates(self.config.candidate)


def mirrored(encoder: Encoder) -> Encoder:
    """`encoder` that looks at the mirror image of each photo."""
    return replace(
        encoder, name=f"{encoder.name}-mirrored", views=f"{encoder.views} mirrored",
        view=lambda pixels: np.ascontiguousarray(encoder.view(pixels)[:, ::-1]),
    )  # fmt: skip


class Kept:
    """Features of photos and of mirror images, and the seconds that those took which were not there."""

    def __init__(self, work: Path, encoder: Encoder) -> None:
        self._stores = {
            name: stored_features(work / "features", one, torch.device("cpu"), "auto")
            for name, one in (("photos", encoder), ("mirrored", mirrored(encoder)))
        }
        self._seconds = work / "seconds.json"

    def views(self, images: LabeledImages) -> Views:
        """Those of `images`."""
        return Views(*(self._features(name, images) for name in self._stores))

    def seconds(self) -> dict[str, float]:
        """Of the calls that took longest, which had features to compute."""
        return read_json(self._seconds, "seconds") if self._seconds.exists() else {}

    def _features(self, name: str, images: LabeledImages) -> Floats:
        started = time.perf_counter()
        found = self._stores[name].features(images.source, f"features of {name}").numpy()
        took, known = time.perf_counter() - started, self.seconds()
        key = f"{name}, {len(images)}"
        write_json(self._seconds, known | {key: max(took, known.get(key, 0.0))})
        return found


def cross_fitted(one: Trained, way: str) -> Said:
    """What each candidate says of every photo when it is fitted without the fold that the photo is in."""
    if not way.startswith("more"):
        return _fitted_without_fold(one, one.views.mean if way == "mean" else one.views.photos)
    photos = len(one.labels)
    return [asked(each[:photos], each[photos:], way) for each in _with_mirror_images(one)]


@lru_cache(maxsize=1)
def _with_mirror_images(one: Trained) -> Said:
    """Of photos, and then of their mirror images; the two ways that learn from these differ in what they ask."""
    return _fitted_without_fold(one, np.concatenate([one.views.photos, one.views.mirrored]))


def _fitted_without_fold(one: Trained, features: Floats) -> Said:
    """As `cross_fitted`, on features of all photos, or of these and then of their mirror images."""
    copies = len(features) // len(one.labels)
    # A photo's part in a mean stays what it is, and so do decays.
    scale = len(one.data.train) / (len(one.labels) * (1 - 1 / FOLDS))
    return cross_fitted_heads(
        features, np.tile(one.labels, copies), len(one.data.class_ids), np.tile(one.folds, copies), one.candidates,
        decay_scale=scale, rounds=one.config.weighing_rounds, neighbors=copies * one.config.weighing_neighbors,
    )  # fmt: skip


def asked(photos: Floats, images: Floats, way: str) -> Floats:
    """What counts of what is said of photos and of their mirror images."""
    return (photos + images) / 2 if way == WAYS[3] else photos


def on_test(one: Trained, way: str, candidate: HeadCandidate) -> Floats:
    """What `candidate` says of the test photos, fitted to the training photos without the holdout."""
    fitted_to = slice(0, len(one.data.train))
    train, test = one.views.rows(fitted_to), one.test_views
    if way.startswith("more"):
        parts, copies = [train.photos, train.mirrored, test.photos, test.mirrored], 2
    else:
        parts, copies = ([train.mean, test.mean] if way == "mean" else [train.photos, test.photos]), 1
    count = copies * len(train.photos)
    # What stands for the labels of test photos counts nothing.
    blank = np.zeros(copies * len(one.test), dtype=np.int64)
    is_trained_on = np.arange(count + len(blank)) < count
    (found,) = fitted_heads(
        np.concatenate(parts), np.concatenate([*copies * [one.labels[fitted_to]], blank]),
        len(one.data.class_ids), is_trained_on[:, None], np.concatenate([*copies * [one.folds[fitted_to]], blank]),
        [candidate], rounds=one.config.weighing_rounds, neighbors=copies * one.config.weighing_neighbors,
    )  # fmt: skip
    halves = np.split(found[~is_trained_on, 0], copies)
    return asked(halves[0], halves[-1], way)


def judged(one: Trained, way: str, noise: float, seed: int, *, is_suspicion_judged: bool) -> dict[str, Any]:
    """The row of a way: the head that raw labels choose, and its accuracy on clean test labels [percent]."""
    started = time.perf_counter()
    said_of = cross_fitted(one, way)
    right = np.stack([each.argmax(axis=1) == one.labels for each in said_of], axis=1)
    losses = np.stack([calibrated_losses(each, one.labels) for each in said_of], axis=1)
    scores = Scores(right, losses)
    candidate = one.candidates[scores.chosen()]
    test = on_test(one, way, candidate)
    took = time.perf_counter() - started
    row = {
        "way": way, "wrong": noise, "seed": seed, "head": str(candidate),
        "raw_labels_said": 100 * float(right[:, scores.chosen()].mean()),
        "test": 100 * float((test.argmax(axis=1) == one.test.labels).mean()),
        "seconds": round(took, 1), "commit": source_commit(),
    }  # fmt: skip
    return row | {"auroc": auroc(one, way)} if is_suspicion_judged and not way.startswith("more") else row


def auroc(one: Trained, way: str) -> float | None:
    """Of suspicion by agreement, on all photos with raw labels; None without wrong ones."""
    classes, images = one.data.class_ids, with_holdout(one.data).train
    true = np.array([Path(name).parent.name for name in images.names()])
    is_wrong = true != np.array(classes)[one.labels]
    if not is_wrong.any():
        return None
    features = one.views.mean if way == "mean" else one.views.photos
    said = ask(features, one.labels, len(classes), one.folds)
    return judge_suspicion(agreement_suspicion(said, one.labels).score, is_wrong)["auroc"]


def prepared(data: Path, work: Path, noise: float, seed: int) -> Trained:
    """Photos, raw labels and features of a share and seed."""
    given = {
        "recipe": "transfer", "root": work, "main": str(data / "train"), "test": str(data / "test"),
        "seed": seed, "inject_noise": noise, "device": "cpu",
    }  # fmt: skip
    config = load_training(None, given)
    found, _ = leave_out(config, load_training_data(config), find_copies)
    config = with_fitting_views(config, found)
    assert config.encoder is not None
    kept = Kept(work, load_encoder(config.encoder))
    images = with_holdout(found).train
    test = read_input(data / "test", InputRequest("test", None)).images
    parts = folds(images.keys_or_names(), config.seed_of_data, FOLDS)
    return Trained(config, found, kept.views(images), parts, test, kept.views(test))


def main() -> None:
    """Judge what lacks, and write table.json and table.md after each share and seed."""
    parser = parser_of(__doc__, SHARES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12, 13, 14])
    parser.add_argument("--auroc", type=int, nargs="*", default=[], help="seeds whose suspicion is judged, too")
    given = parser.parse_args()
    data, work = given.data.absolute(), given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    path = work / "rows.json"
    rows: list[dict[str, Any]] = read_json(path, "rows") if path.exists() else []
    known = {(one["wrong"], one["seed"]) for one in rows}
    for seed in given.seeds:
        for noise in given.noise:
            if (noise, seed) not in known:
                one = prepared(data, work, noise, seed)
                is_asked = seed in given.auroc
                rows += [judged(one, way, noise, seed, is_suspicion_judged=is_asked) for way in WAYS]
                write_json(path, rows)
                print(
                    f"{noise:g}, seed {seed}:", *(f"{row['test']:.2f}" for row in rows[-len(WAYS) :]), flush=True
                )
    table = table_of(rows, work)
    write_tables(work, table, page(table))


def table_of(rows: list[dict[str, Any]], work: Path) -> dict[str, Any]:
    """The table of all rows, with the encoder and the seconds of features."""
    seeds, shares = (sorted({one[key] for one in rows}) for key in ("seed", "wrong"))
    judged_too = sorted({one["seed"] for one in rows if one.get("auroc") is not None})
    command = f"python benchmarks/mirror_views.py --data FLOWERS --work WORK --seeds {' '.join(map(str, seeds))}"
    command += f" --auroc {' '.join(map(str, judged_too))}" if judged_too else ""
    return origin(command + ("" if shares == SHARES else f" --noise {' '.join(map(str, shares))}")) | {
        "feature_seconds": read_json(work / "seconds.json", "seconds"),
        "commits": commits_of_seeds(rows),
        "rows": sorted(rows, key=lambda one: (one["wrong"], one["seed"], WAYS.index(one["way"]))),
    }


def page(table: dict[str, Any]) -> list[str]:
    """One row a share of wrong labels and way, with the lead over the photo alone, and the means of all shares."""
    rows: list[dict[str, Any]] = table["rows"]
    lines = [
        "Test top-1 accuracy [%] on clean test photos of flowers of the head that raw labels choose among the "
        "candidates of `--recipe transfer`, fitted anew,",
        "by what is seen of a photo; mean and 95 % interval (Student's t) over the seeds. `lead` is that over the "
        "photo alone, paired by seed [points].",
        "",
        "| wrong labels | views | test accuracy | lead | raw labels said, held-out folds | AUROC of suspicion "
        "| seconds of heads |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    shares: list[float] = sorted({one["wrong"] for one in rows})
    for noise in shares:
        lines += [
            _row(f"{100 * noise:.0f} %", way, rows, lambda one, noise=noise: one["wrong"] == noise) for way in WAYS
        ]
    lines += [_row("mean of all", way, rows, lambda _one: True) for way in WAYS]
    seconds = "; ".join(f"{name}: {one:.0f}" for name, one in table["feature_seconds"].items())
    suspected = sorted({one["seed"] for one in rows if one.get("auroc") is not None})
    return [
        *lines,
        "",
        f"- AUROC of suspicion: seeds {span(suspected)}" if suspected else "- AUROC of suspicion: not measured",
        "- seconds of heads: of the choice among all candidates and the chosen one's last fit, on one thread; the "
        "last way takes over what the third fitted for the choice",
        f"- seconds of features, by what is seen and the number of photos: {seconds}",
    ]


def _row(first: str, way: str, rows: list[dict[str, Any]], is_meant: Callable[[dict[str, Any]], bool]) -> str:
    """A row of the table: means over the seeds, of each the mean of the rows that are meant."""
    own = [one for one in rows if is_meant(one)]

    def by_seed(name: str, key: str) -> list[float]:
        of_way = [one for one in own if one["way"] == name and one.get(key) is not None]
        seeds = sorted({one["seed"] for one in of_way})
        return [float(np.mean([one[key] for one in of_way if one["seed"] == seed])) for seed in seeds]

    tests, photo = by_seed(way, "test"), by_seed(WAYS[0], "test")
    lead = said([a - b for a, b in zip(tests, photo, strict=True)], 2, "+") if way != WAYS[0] else "-"
    aurocs = by_seed(way, "auroc")
    cells = (
        first, way, said(tests, 2), lead, said(by_seed(way, "raw_labels_said"), 1),
        said(aurocs, 4) if aurocs else "-", f"{np.mean(by_seed(way, 'seconds')):.1f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
