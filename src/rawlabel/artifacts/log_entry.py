"""One entry of `log.json` as it is written and as it was; `run_records.Epoch` is the record that readers want."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

from rawlabel.base.json_values import JsonObject
from rawlabel.records import Accuracies


class TrainEntry(Accuracies):
    """The running accuracies of the labels trained on, and the mean loss."""

    loss: float


class HoldoutEntry(Accuracies):
    """What was measured on the held-out raw labels."""

    balanced_acc1: float
    loss: float


class NothingMeasured(TypedDict):
    """The published form of a test set that there is not."""

    acc1: None
    acc5: None


class TestAccuracies(TypedDict, total=False):
    """Of each test set that there is."""

    test: Accuracies | NothingMeasured
    subset: Accuracies


class TrainMeasures(TypedDict, total=False):
    """What is measured of training images where it is asked for."""

    train_probe: Accuracies
    train_full: Accuracies
    train_augmented: Accuracies
    J_norm: dict[str, float]


class WeightMeasures(TypedDict, total=False):
    """What becomes of the weights, by layer, where it is asked for."""

    w_norm: dict[str, float]
    weight_change: dict[str, float]


class Measures(NamedTuple):
    """What was measured after the steps of an epoch, as parts of its entry."""

    train: TrainMeasures
    holdout: HoldoutEntry | None
    """None where nothing is held out."""
    tests: TestAccuracies


class LogEntry(TrainMeasures, WeightMeasures, TestAccuracies, total=False):
    """One epoch as published: ``{"epoch", "train": {"acc1", "acc5"}, "test": {"acc1", "acc5"}}``, and more."""

    epoch: int
    lr: float | None
    train: TrainEntry
    holdout: HoldoutEntry | dict[str, float]
    """Empty where nothing is held out."""
    signals: JsonObject
    selected_epoch: int
