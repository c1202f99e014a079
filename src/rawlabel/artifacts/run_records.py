"""What the files of a run directory hold, as frozen records; `run` reads them.

Entries of older versions lack what was not written yet, and those of later ones may have more, which is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, model_validator

from rawlabel.base.checked import Count, Measured, Number, Record
from rawlabel.records import EpochRecord


class LoggedSet(Record):
    """What was measured on one set of images after an epoch; None where it was not."""

    acc1: Measured | None = None
    """Top-1 accuracy [percent]."""
    acc5: Measured | None = None
    balanced_acc1: Measured | None = None
    """Mean over the classes of the top-1 accuracy [percent]; of the holdout alone."""
    loss: Number | None = None
    """Mean cross-entropy [nats]; no finite number where the network had diverged."""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        """Some published logs say the accuracy and nothing else; null is nothing measured."""
        if value is None:
            return {}
        return {"acc1": value} if isinstance(value, int | float) else value


class Signals(Record):
    """What else a stopping rule may look at; see `rawlabel.records.EpochRecord`."""

    decays_left: Count | None = None
    changed_predictions: Number | None = None
    alignment_mean: Number | None = None
    alignment_kurtosis: Number | None = None
    class_size_ratio: Number | None = None
    holdout_images: Count | None = None
    epochs_left: Count | None = None

    @classmethod
    def of(cls, record: EpochRecord) -> Signals:
        """The signals of `record`, as an entry of the log has them; None what was not measured."""
        return cls(**{name: getattr(record, name) for name in cls.model_fields})


class Epoch(Record):
    """One entry of `log.json`."""

    epoch: Count
    lr: Number | None = None
    train: LoggedSet = LoggedSet()
    """Running, on the labels trained on, under augmentation, while the weights move."""
    holdout: LoggedSet = LoggedSet()
    """On the held-out raw labels."""
    signals: Signals = Signals()
    selected_epoch: Count | None = None
    """Epoch that the stopping rule selected so far."""
    test: LoggedSet = LoggedSet()
    """On the test set, for people and the oracle only."""
    subset: LoggedSet = LoggedSet()
    """On a second test set."""

    @property
    def has_diverged(self) -> bool:
        """Whether a loss of the epoch is no finite number.

        Runs end at such an epoch, but those of older versions went on, and counted answers that were NaN as right.
        """
        return any(loss is not None and not math.isfinite(loss) for loss in (self.train.loss, self.holdout.loss))

    @property
    def test_accuracy(self) -> float | None:
        """Top-1 on the test set [percent]: 0 of a network that has diverged; None where it was not measured."""
        return 0.0 if self.test.acc1 is not None and self.has_diverged else self.test.acc1

    def record(self) -> EpochRecord:
        """What the stopping rules see of it; a signal that the log lacks is None."""
        told = not self.has_diverged
        return EpochRecord(
            epoch=self.epoch,
            learning_rate=self.lr,
            train_loss=self.train.loss,
            train_accuracy=self.train.acc1,
            holdout_loss=self.holdout.loss,
            holdout_accuracy=self.holdout.acc1 if told else None,
            decays_left=self.signals.decays_left,
            changed_predictions=self.signals.changed_predictions,
            alignment_mean=self.signals.alignment_mean if told else None,
            alignment_kurtosis=self.signals.alignment_kurtosis if told else None,
            holdout_balanced_accuracy=self.holdout.balanced_acc1 if told else None,
            class_size_ratio=self.signals.class_size_ratio,
            holdout_images=self.signals.holdout_images,
            epochs_left=self.signals.epochs_left,
        )


def accuracies_on_test(epochs: Sequence[Epoch]) -> dict[int, float]:
    """Top-1 test accuracy [percent] by epoch, of the epochs in which it was measured."""
    return {one.epoch: value for one in epochs if (value := one.test_accuracy) is not None}


def oracle_epoch(test: Mapping[int, float]) -> int | None:
    """Epoch with the highest test accuracy, the first on a tie; nobody could have chosen it. None without any."""
    return max(test, key=lambda epoch: (test[epoch], -epoch), default=None)


class Timing(Record):
    """Clock readings of one epoch: one line of `timing.jsonl`."""

    epoch: Count
    first_batch_seconds: Number = 0.0
    train_seconds: Number = 0.0
    images_per_second: Number | None = None
    measure_seconds: Number = 0.0


class Place(Record):
    """Where something lies, by itself and from the run, so that it is found from anywhere and after a move.

    Runs of older versions noted neither.
    """

    absolute: str | None = None
    from_run: str | None = None

    def find(self, run: Path, given: Path, is_it: Callable[[Path], bool] = Path.exists) -> Path:
        """Where it lies now: where it lay from the run, or by itself, or from here as it was given.

        Spelled as it was `given` where that is the same place, or no other is found.
        """
        known = [run.resolve() / self.from_run] if self.from_run is not None else []
        known += [Path(self.absolute)] if self.absolute is not None else []
        found = next((place for place in known if is_it(place)), None)
        return given if found is None or (is_it(given) and found.resolve() == given.resolve()) else found.resolve()


class DataOrigin(Record):
    """Which data a run was trained on."""

    origin: str = ""
    """The manifest, file or folder."""
    place: Place = Place()
    fingerprint: str = ""


class Environment(Record):
    """What a reader of a number needs to know about where it was made."""

    started_at: str = ""
    """UTC, as ISO 8601 has it."""
    rawlabel: str = ""
    commit: str = ""
    """`+dirty` where the source was changed since; a release where no commit is known."""
    python: str = ""
    packages: Mapping[str, str] = Field(default_factory=dict)
    """Version by name."""
    platform: str = ""
    processor: str = ""
    command: str = ""


class Start(Environment):
    """One start of a run: an entry of `environment.json`."""

    data: DataOrigin = DataOrigin()
    root: Place = Place()
    """Where the data's folder lay."""
    weights: Place = Place()
    """Where the file of the encoder's weights lay, if there is one."""
    device: str = ""
    precision: str = ""
    """As torch calls it: `float32`, `bfloat16`."""
    threads: int | None = None
    processes: int = 1
    training_images: int | None = None
    """None where an older version did not note it."""
    holdout_images: int | None = None


class EncoderRecord(Record):
    """`encoder.json`: the network that a head was trained on, frozen or, afterwards, with all its layers."""

    name: str
    origin: str = ""
    weights_sha256: str = ""
    weights_file: str | None = None
    license: str = ""
    trained_on: str = ""
    labels_of: str = ""
    features: int = 0
    """Features of an image."""
    arithmetic: str = ""
    own_classes: tuple[str, ...] = ()
    """Which of the run's classes it was taught, as far as is known."""
    is_finetuned: bool = False
    """Whether all its layers were trained on after the head was."""

    def describe(self) -> str:
        """What a reader must know of it, in one sentence."""
        what = (
            f"The classifier is fine-tuned from the network {self.name}"
            if self.is_finetuned
            else f"Only the last part of the classifier was trained here; it sees through the network {self.name}"
        )
        return (
            f"{what} (license: {self.license}), which was trained on {self.trained_on}, with labels of "
            f"{self.labels_of}; of the classes here it was taught "
            f"{', '.join(self.own_classes) if self.own_classes else 'none, as far as is known'}."
        )


class SamePicture(Record):
    """A test image that is among the images of the run, too."""

    test: str
    other: str
    kind: str = Field(default="", validation_alias=AliasChoices("is", "kind"), serialization_alias="is")
    """`training image` or `held-out image`."""
    equal_pixels: bool
    different_bits: int = 0
    correlation: Measured | None = None
    """Of the pixels of small images, or where the bits alone did not tell; -1 to 1."""
    probe: str = ""
    """The part or turn of the test image that the other shows."""


class Overlap(Record):
    """What a test set and the images of a run have in common: a value of `test_overlap.json`."""

    data: str = ""
    """Fingerprint of the run's data."""
    test_set: str = ""
    place: str = ""
    test_images: int
    training_images: int = 0
    held_out_images: int = 0
    equal: int
    """Test images that are equal to one of the run in all pixels."""
    near: int
    compared_by_pixels_alone: int = 0
    pairs: tuple[SamePicture, ...] = ()

    def counts(self) -> Overlap:
        """The counts alone, as a summary has them."""
        names = ("test_images", "equal", "near", "compared_by_pixels_alone")
        return Overlap(**{name: getattr(self, name) for name in names})


class LeftOutCopies(Record):
    """`test_copies.json`: the copies of test images that were left out of the data of a run."""

    data: str
    """Fingerprint of the data before."""
    rows: tuple[Count, ...]
    """Positions among the training images and behind them the held-out ones."""
    images: tuple[str, ...]
    """Where they lie, for people."""
    test_sets: tuple[str, ...] = ()
    """Fingerprints of the test sets that were looked at."""


class Accuracy(Record):
    """Correct test images, the accuracy and its interval, both in percent."""

    correct: int
    accuracy: Measured
    interval: tuple[Measured, Measured]


class EpochAccuracy(Record):
    """Test accuracy of the weights of one epoch."""

    epoch: int
    top1: Accuracy
    top5: Accuracy | None = None
    """None where there are no more than five classes."""
    weights: str = ""
    """Which of those that fine-tuning chose from, where they are an oracle that is better than any epoch."""
    unanswered: int = 0
    """Images to which the network, having diverged, gave no answer that is a number."""

    @property
    def where(self) -> str:
        """`epoch 3`, or `averaged weights` where these are no epoch's, for people."""
        return f"{self.weights} weights" if self.weights else f"epoch {self.epoch}"


class HeadAccuracy(Record):
    """A candidate of `--choose` on the test set."""

    head: str
    accuracy: Measured


class ChoiceCost(Record):
    """What choosing a head by raw labels cost [percentage points], beside the best candidate on the test set."""

    chosen: HeadAccuracy
    oracle: HeadAccuracy
    regret: Measured

    def describe(self) -> str:
        """What is told of the chosen head, as the end of a sentence."""
        return (
            f"{self.chosen.accuracy:.2f} % test accuracy when the candidates are fitted anew, {self.regret:.2f} "
            f"points below the oracle's ({self.oracle.head}: {self.oracle.accuracy:.2f} %)"
        )


class Decontamination(Record):
    """Whether the images of a run hold copies of its test images, and what they are worth to its accuracy."""

    is_certified: bool
    """Whether a certificate speaks of exactly these training and test images."""
    says: str
    """The certificate in one line, or why there is none."""
    left_out: Count = 0
    """Candidates that were left out for being copies of test images."""
    for_review: Count = 0
    """Pairs that were listed for a person, and that nobody has decided."""
    planted: Count = 0
    """Canaries: freshly transformed test images among the candidates."""
    caught: Count = 0
    interval: tuple[Measured, Measured] | None = None
    """Clopper-Pearson interval of the share caught, 0 to 1."""
    overlapping: Count = 0
    """Test images of which a copy is among the candidates."""
    clean: Accuracy | None = None
    """Top-1 on the test images without such a copy; None where there are none of them."""
    overlap: Accuracy | None = None
    """Top-1 on those with one, whether it was left out (where it is certified) or trained on."""

    @property
    def status(self) -> str:
        """`decontaminated` or `not decontaminated`."""
        return "decontaminated" if self.is_certified else "not decontaminated"


class Measurement(Record):
    """The `test` block that an evaluation adds to the summary of a run."""

    folder: str
    place: Place = Place()
    images: int
    confidence: Measured
    precision: str = ""
    selected: EpochAccuracy
    last: EpochAccuracy
    classes: tuple[str, ...] | None = None
    """Those that the test set has, where it lacks some."""
    training_classes: int | None = None
    oracle: EpochAccuracy | None = None
    """None where the test set is not the one that was logged."""
    choice: ChoiceCost | None = None
    """None where no head was chosen."""
    decontamination: Decontamination | None = None
    """None where an older version evaluated, or the training images could not be read."""


class Summary(Record):
    """`summary.json` of a finished run."""

    rule: str = ""
    rule_options: Mapping[str, Any] | None = None
    """None where an older version did not note them."""
    selected_epoch: Count
    why: str = ""
    doubt: str | None = None
    """What speaks against the epoch, in words."""
    test_overlap: Mapping[str, Overlap] = Field(default_factory=dict)
    last_epoch: Count | None = None
    seed: int | None = None
    data: str = ""
    """Fingerprint of the data."""
    left_out: tuple[str, ...] = ()
    """Classes that lay there, but were not trained on."""
    looked_at: Count = 0
    """Photos of the data that a person looked at before training; labels were raw all the same."""
    oracle_epoch: int | None = None
    test: Measurement | None = None
    """None until the run is evaluated."""

    def adding(self, **values: Any) -> Summary:
        """With those of the values that say anything; an empty one stays away from the file."""
        return self.model_copy(update={name: value for name, value in values.items() if value})

    def why_selected(self) -> str:
        """Why the epoch was selected, and what speaks against it, in one phrase."""
        return self.why + (f"; {self.doubt}" if self.doubt else "")
