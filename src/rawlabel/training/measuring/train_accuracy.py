"""The accuracy on the training images, beside the running one that every epoch has for nothing.

running
    of the random views, while the weights change (always logged, as `train`);
probe
    of a fixed part of the images, an equal share of each class, without augmentation, after the epoch;
full
    of all images, without augmentation, after the epoch: a second pass;
augmented
    of all images, on new random views, after the epoch: the second pass of the published trainer. A last batch of
    one image is left out, as it is in training.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from rawlabel.artifacts.log_entry import TrainMeasures
from rawlabel.base import distributed
from rawlabel.base.correctness import Logits, logged_accuracies
from rawlabel.config import TrainConfig
from rawlabel.images.decoding import DecodedImages, Pixels
from rawlabel.images.kept_features import KeptFeatures
from rawlabel.images.loader import BatchLoader
from rawlabel.images.resident_images import ResidentImages
from rawlabel.models.predictor import Predictor
from rawlabel.records import Accuracies
from rawlabel.training.measuring.divergence import refuse_diverged_logits

Measured = DecodedImages | KeptFeatures
"""What a predictor measures."""


class _Part:
    """Some of the decoded images."""

    def __init__(self, images: DecodedImages, rows: npt.NDArray[np.int64]) -> None:
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Pixels:
        return self._images[int(self._rows[index])]


def _part(images: Measured, rows: npt.NDArray[np.int64]) -> Measured:
    if len(rows) == len(images):
        return images
    return images.select(rows) if isinstance(images, ResidentImages | KeptFeatures) else _Part(images, rows)


def measure_train_accuracy(
    config: TrainConfig,
    predictor: Predictor,
    images: Measured,
    labels: npt.NDArray[np.int64],
    loader: BatchLoader,
    epoch: int,
) -> TrainMeasures:
    """Entries of the log for `epoch`: `train_probe`, `train_full` and `train_augmented`, as `config` asks.

    Raises `ConfigError` when the network answers with numbers that are none.
    """

    def measured(logits: Logits, own: npt.NDArray[np.int64]) -> Accuracies:
        return logged_accuracies(refuse_diverged_logits(logits, "training images", epoch), own)

    entries: TrainMeasures = {}
    for kind in config.train_accuracy:
        if kind == "probe":
            rows = probe_rows(labels, config.probe_images, config.seed or 0)
            entries["train_probe"] = measured(predictor.logits(_part(images, rows)), labels[rows])
        elif kind == "full":
            entries["train_full"] = measured(predictor.logits(images), labels)
        elif kind == "augmented":
            entries["train_augmented"] = measured(*_augmented(predictor, loader, labels, epoch, config.epochs))
    return entries


def probe_rows(labels: npt.NDArray[np.int64], size: int, seed: int) -> npt.NDArray[np.int64]:
    """About `size` rows, the same share of each class and at least one, by the seed; all when there are fewer."""
    if len(labels) <= size:
        return np.arange(len(labels))
    counts = np.bincount(labels)
    order = np.random.default_rng([seed, len(labels)]).permutation(len(labels))
    # Images class by class, in the random order: an image's place in its class says whether it is taken.
    order = order[np.argsort(labels[order], kind="stable")]
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.flatnonzero(place < np.maximum(1, np.floor(counts * size / len(labels)))[labels])


def _augmented(
    predictor: Predictor, loader: BatchLoader, labels: npt.NDArray[np.int64], epoch: int, num_epochs: int
) -> tuple[Logits, npt.NDArray[np.int64]]:
    logits, ids = [], []
    # Epochs beyond the last have random numbers of their own, on which nothing was trained.
    for batch in loader.epoch(num_epochs + epoch):
        for part in batch.parts():
            logits.append(distributed.whole_batch(predictor.classify(part.views), len(part.sample_ids)))
            ids.append(part.sample_ids)
    return torch.cat(logits).numpy(), labels[torch.cat(ids).cpu().numpy()]
