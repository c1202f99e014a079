"""Pruning by confident learning, around any method: images whose raw labels are doubted are left out of training.

The training images are cut into folds, and a network is trained on the complement of each, with the settings of
the run and its stopping rule on the same raw holdout. So each image is judged by a network that has not seen it.
From the predictions cleanlab's `find_label_issues` estimates how many images of each class belong to which other,
and names those that most probably do: "prune by noise rate" of Northcutt, Jiang and Chuang, JAIR 2021, arXiv
1911.00068, section 3.2. Published: four folds, a ResNet-50 at a rate of 0.1 in batches of 256 for CIFAR-10.

Nothing is relabeled, and the holdout stays as it is, doubted labels included. A refit takes the holdout as it is,
too; a teacher learns from what is kept. Where the networks are little better than chance, their own mistakes are
taken for wrong labels; so a class of which hardly anything would be left is one that they do not know, and keeps
all of its images.

The same estimate could weigh each image's loss instead of leaving images out. But what methods give is the loss of
a batch, and in some of them that is no sum over its images: co-teaching chooses some, SOP+ balances classes,
DivideMix mixes images. Weights would have to be a part of every method; leaving out needs to be known to none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import softmax

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.split import folds
from rawlabel.base import distributed
from rawlabel.base.files import atomic_write
from rawlabel.config import TrainConfig
from rawlabel.errors import DataError
from rawlabel.images.image_source import LabeledImages
from rawlabel.models.predictor import load_predictor
from rawlabel.training.data import TrainingData
from rawlabel.training.image_cache import images_to_measure
from rawlabel.training.measuring.divergence import refuse_diverged_logits

_SHOWN = 5
"""Classes that a line names."""
DOUBTED, SPARED, NOT_JUDGED, AGREED = "doubted", "class_doubted", "not_judged", "agreed"
"""What is said of a label. Only images with the first are left out."""
_LEAST_LEFT = 0.1
"""Share of a class that must be left of it; searches that bring nine wrong photos of ten are hardly trained on."""

TrainFold = Callable[[int, TrainingData], RunDirectory]
"""Trains the network of a fold on the data without it, or finds it finished."""


@dataclass(frozen=True, eq=False)
class Judgment:
    """What confident learning says of each image."""

    reasons: npt.NDArray[np.str_]
    """`DOUBTED`, `SPARED`, `NOT_JUDGED` or `AGREED` [images]."""
    probabilities: npt.NDArray[np.float64]
    """Of the raw label [images]; NaN where it was not judged."""
    likely: npt.NDArray[np.int64]
    """Most probable class [images]; the label itself where that was not judged."""


def judgment_path(run: RunDirectory) -> Path:
    """Where a run keeps what was said of its training images."""
    return run.path / "confident_learning.parquet"


def prune(data: TrainingData, config: TrainConfig, run: RunDirectory, train_fold: TrainFold) -> TrainingData:
    """`data` without the training images whose labels are doubted, which are judged unless `run` has the judgment.

    Raises `DataError` where there is too little to judge by, and what training raises.
    """
    path = judgment_path(run)
    if not distributed.from_first(path.exists):
        numbers = folds(data.train.keys_or_names(), config.seed_of_data, config.folds)
        judged = _judged_classes(data, numbers)
        logits = np.zeros((len(data.train), len(data.class_ids)), dtype=np.float32)
        for fold in np.unique(numbers).tolist():
            rows = np.flatnonzero(numbers == fold)
            network = train_fold(fold, replace(data, train=data.train.select(np.flatnonzero(numbers != fold))))
            logits[rows] = _predict(network, data, rows, config)
        # Several processes go by what one of them makes of the logits.
        distributed.from_first(lambda: _write(path, data, numbers, judge(data.train.labels, logits, judged)))
    reasons = distributed.from_first(lambda: _reasons(path, data.train))
    return replace(data, train=data.train.select(np.flatnonzero(reasons != DOUBTED)))


def judge(
    labels: npt.NDArray[np.int64], logits: npt.NDArray[np.float32], judged: npt.NDArray[np.int64]
) -> Judgment:
    """What to say of images, by their labels [images] and out-of-fold logits [images, classes].

    Labels other than `judged` (class indices, ascending) are kept, and probabilities are those among the judged
    classes. A class of which less than a tenth would be left keeps all of its images.
    """
    from cleanlab.filter import find_label_issues

    rows = np.flatnonzero(np.isin(labels, judged))
    own = np.searchsorted(judged, labels[rows])
    predicted = softmax(logits[rows][:, judged].astype(np.float64), axis=1)
    # cleanlab's own processes would be forks of one that has torch's threads.
    is_doubted = find_label_issues(own, predicted, filter_by="prune_by_noise_rate", n_jobs=1)
    left, total = (np.bincount(one, minlength=len(judged)) for one in (own[~is_doubted], own))
    is_emptied = left < _LEAST_LEFT * total
    reasons = np.full(len(labels), NOT_JUDGED, dtype=f"U{len(SPARED)}")
    reasons[rows] = np.where(is_doubted, np.where(is_emptied[own], SPARED, DOUBTED), AGREED)
    probabilities, likely = np.full(len(labels), np.nan), labels.copy()
    probabilities[rows] = predicted[np.arange(len(rows)), own]
    likely[rows] = judged[predicted.argmax(axis=1)]
    return Judgment(reasons, probabilities, likely)


def kept_by(run: RunDirectory, images: LabeledImages) -> LabeledImages:
    """The training images that `run` kept of all that its data have, for whoever reads them again.

    A teacher and a refit go by the judgment of the run that they lie in. Raises `DataError` when there is none, or
    when it is of other images.
    """
    place = run if judgment_path(run).exists() else RunDirectory(run.path.parent)
    return images.select(np.flatnonzero(_reasons(judgment_path(place), images) != DOUBTED))


def describe(run: RunDirectory) -> str:
    """One line: how many training images are left out, of which classes, and which classes could not be judged."""
    path = judgment_path(run)
    table = _read(path).to_pydict()
    said = Counter(zip(table["reason"], table["label"], strict=True))
    left_out = {label: count for (reason, label), count in said.items() if reason == DOUBTED}
    line = f"confident learning: {sum(left_out.values())} of {len(table['label'])} training images left out"
    if left_out:
        most = sorted(left_out, key=lambda label: (-left_out[label], label))
        line += f" ({_listed([f'{label} {left_out[label]}' for label in most])})"
    for reason, words in (
        (SPARED, "kept, though nearly all of it is doubted"),
        (NOT_JUDGED, "kept, with all of it in one fold"),
    ):
        classes = sorted(label for why, label in said if why == reason)
        if classes:
            line += f"; {words}: {_listed(classes)}"
    return f"{line}; all are in {path}"


def _listed(parts: list[str]) -> str:
    return ", ".join(parts[:_SHOWN]) + (", ..." if len(parts) > _SHOWN else "")


def _judged_classes(data: TrainingData, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Classes with images in several folds: every network has seen these. Raises `DataError` for less than two."""
    pairs = np.unique(np.stack((data.train.labels, numbers)), axis=1)
    judged = np.flatnonzero(np.bincount(pairs[0], minlength=len(data.class_ids)) > 1)
    if len(judged) < 2:
        raise DataError(
            f"{data.origin}: has less than two classes with images in several folds, so no label can be judged; "
            "raise --folds, or leave --confident-learning out"
        )
    return judged


def _predict(
    network: RunDirectory, data: TrainingData, rows: npt.NDArray[np.int64], config: TrainConfig
) -> npt.NDArray[np.float32]:
    """Logits of the selected epoch for the training images at `rows`, without augmentation."""
    predictor, _, epoch = load_predictor(network.selected_checkpoint, device=config.device)
    source = data.train.source.select(rows)
    images = images_to_measure(source, predictor, config.reading_threads, "reading images to judge")
    return refuse_diverged_logits(predictor.logits(images), "training images", epoch)


def _write(path: Path, data: TrainingData, numbers: npt.NDArray[np.int64], judgment: Judgment) -> None:
    """One row a training image."""
    verdicts = np.where(judgment.reasons == DOUBTED, "left_out", "kept")
    names = np.array(data.class_ids, dtype=object)
    table = pa.table(
        {
            "name": data.train.names(),
            "label": names[data.train.labels].tolist(),
            "fold": numbers,
            "label_probability": pa.array(judgment.probabilities, from_pandas=True),
            "likely_label": names[judgment.likely].tolist(),
            "verdict": verdicts.tolist(),
            "reason": judgment.reasons.tolist(),
        }
    )
    with atomic_write(path) as stream:
        pq.write_table(table, stream)


def _reasons(path: Path, images: LabeledImages) -> npt.NDArray[np.str_]:
    """What is said of each of the images that `path` should be about."""
    table = _read(path)
    if table["name"].to_pylist() != images.names():
        raise DataError(f"{path}: is about other images; remove it, or choose another --outpath")
    return np.array(table["reason"].to_pylist(), dtype=np.str_)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, columns=["name", "label", "reason"])
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path}: is missing or damaged; remove it and run the same command again, which judges anew"
        ) from error
