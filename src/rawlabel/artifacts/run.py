"""A run directory as frozen records: the one place that reads its settings, starts, log, timings and summary.

`run_directory` writes them. Nothing here needs torch, and a folder with a published log alone is read too: what
is not there is None or empty. Each file is read when it is first asked for, and checked then; a damaged one
raises `DataError` of one line. Entries of older versions lack what was not written yet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, Field, ValidationError, model_validator

from rawlabel.artifacts.project import export_path, manifests_path, runs_path
from rawlabel.base.checked import Count, Measured, Number, Record, check_record
from rawlabel.base.files import read_json
from rawlabel.config import TrainConfig
from rawlabel.errors import DataError
from rawlabel.records import EpochRecord

AGAIN = "train again into another --outpath"
Percent = Annotated[Measured, Field(ge=0, le=100)]


class LoggedSet(Record):
    """What was measured on one set of images after an epoch; None where it was not."""

    acc1: Percent | None = None
    """Top-1 accuracy [percent]."""
    acc5: Percent | None = None
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

    @classmethod
    def of(cls, record: EpochRecord) -> Signals:
        """Those of a record."""
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
    device: str = ""
    precision: str = ""
    """As torch calls it: `float32`, `bfloat16`."""
    threads: int | None = None
    processes: int = 1
    training_images: int | None = None
    """None where an older version did not note it."""
    holdout_images: int | None = None


class EncoderRecord(Record):
    """`encoder.json`: the frozen network that a head was trained on."""

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

    def describe(self) -> str:
        """What a reader must know of it, in one sentence."""
        return (
            f"The classifier is a head on the frozen network {self.name} (license: {self.license}), which was "
            f"trained on {self.trained_on}, with labels of {self.labels_of}; of the classes here it was taught "
            f"{', '.join(self.own_classes) if self.own_classes else 'none, as far as is known'}."
        )


class SamePicture(Record):
    """A test image that is among the images of the run, too."""

    test: str
    other: str
    kind: str = Field(default="", validation_alias=AliasChoices("is", "kind"), serialization_alias="is")
    """`training image` or `held-out image`."""
    equal_pixels: bool
    different_bits: int


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
    unanswered: int = 0
    """Images to which the network, having diverged, gave no answer that is a number."""


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
    oracle_epoch: int | None = None
    test: Measurement | None = None
    """None until the run is evaluated."""

    def adding(self, **values: Any) -> Summary:
        """With those of the values that say anything; an empty one stays away from the file."""
        return self.model_copy(update={name: value for name, value in values.items() if value})

    def why_selected(self) -> str:
        """Why the epoch was selected, and what speaks against it, in one phrase."""
        return self.why + (f"; {self.doubt}" if self.doubt else "")


@dataclass(frozen=True)
class Run:
    """A run directory, as it is when each of its files is first looked at."""

    path: Path

    @classmethod
    def existing(cls, path: Path) -> Run:
        """Open a run directory; raises `DataError` when `path` is none."""
        if not (path / "config.json").is_file():
            raise DataError(f"{path}: is no run directory (no config.json); name the folder that training made")
        return cls(path)

    @property
    def log_path(self) -> Path:
        """The per-epoch log, whether it is there yet or not."""
        return self.path / "log.json"

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """The settings by name, as they were given; what an older version did not have is at its default."""
        values = read_json(self.path / "config.json", "the settings of a run")
        if not isinstance(values, dict):
            raise DataError(f"{self.path / 'config.json'}: holds no settings; {AGAIN}")
        return TrainConfig().as_json() | values

    @cached_property
    def config(self) -> TrainConfig:
        """The resolved settings, as they were given. Raises `DataError`."""
        return settings_of(self.given, self.path / "config.json")

    @cached_property
    def settings(self) -> TrainConfig:
        """The resolved settings, with the folder that holds the data where that lies now. Raises `DataError`."""
        noted = self.last_start.root
        # Runs of older versions noted nothing, but theirs may be the project that they lie in.
        if noted == Place() and self.path.resolve().parent.name == runs_path(Path()).name:
            noted = Place(absolute=str(self.path.resolve().parent.parent))
        root = noted.find(self.path, self.config.root, lambda place: _holds_data_of(place, self.config))
        return self.config.model_copy(update={"root": root})

    @cached_property
    def starts(self) -> tuple[Start, ...]:
        """Each start of the run; empty where nothing was noted."""
        path = self.path / "environment.json"
        if not path.is_file():
            return ()
        return check_record(tuple[Start, ...], read_json(path, "the starts of a run"), path, AGAIN)

    @property
    def last_start(self) -> Start:
        """The last start; one that says nothing where none was noted."""
        return self.starts[-1] if self.starts else Start()

    @cached_property
    def encoder(self) -> EncoderRecord | None:
        """The frozen network that a head was trained on; None for a network trained on pixels."""
        path = self.path / "encoder.json"
        if not path.is_file():
            return None
        return check_record(EncoderRecord, read_json(path, "the encoder of a run"), path, AGAIN)

    @cached_property
    def epochs(self) -> tuple[Epoch, ...]:
        """All logged epochs, which count up; empty before the first."""
        if not self.log_path.is_file():
            return ()
        entries = read_json(self.log_path, "one entry an epoch")
        epochs = check_record(tuple[Epoch, ...], entries, self.log_path, AGAIN)
        if any(now.epoch <= before.epoch for before, now in pairwise(epochs)):
            raise DataError(f"{self.log_path}: its epochs do not count up; {AGAIN}")
        return epochs

    @cached_property
    def timings(self) -> Mapping[int, Timing]:
        """The last timing of each epoch; a line that a killed process left unfinished is passed over."""
        path, timings = self.path / "timing.jsonl", {}
        for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
            with suppress(ValueError):
                if "epoch" in (entry := json.loads(line)):
                    timings[entry["epoch"]] = Timing.model_validate(entry)
        return timings

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return (self.path / "summary.json").is_file()

    @cached_property
    def summary(self) -> Summary:
        """Selected, last and oracle epoch, and what an evaluation measured. Raises `DataError` before the end."""
        path = self.path / "summary.json"
        return check_record(Summary, read_json(path, "the summary of a finished run"), path, AGAIN)

    @property
    def selected_epoch(self) -> int | None:
        """Epoch that the stopping rule selects, so far where the run is not finished."""
        if self.is_finished:
            return self.summary.selected_epoch
        return self.epochs[-1].selected_epoch if self.epochs else None

    @property
    def test_accuracies(self) -> dict[int, float]:
        """Top-1 test accuracy [percent] by epoch, as far as it was logged."""
        return accuracies_on_test(self.epochs)

    @property
    def oracle_epoch(self) -> int | None:
        """Epoch with the highest logged test accuracy, which nobody could have chosen; None without any."""
        return oracle_epoch(self.test_accuracies)

    @property
    def data_fingerprint(self) -> str:
        """Fingerprint of the data it was trained on; empty when nothing says."""
        noted = self.summary.data if self.is_finished else ""
        return noted or self.last_start.data.fingerprint

    @property
    def manifest_path(self) -> Path | None:
        """The manifest that it was trained on, where it lies now; None where the data were something else."""
        noted = self.last_start.data
        origin = noted.place.find(self.path, Path(noted.origin))
        file = origin / "manifest.parquet" if origin.is_dir() else origin
        return file if file.is_file() else None

    @cached_property
    def overlap(self) -> Mapping[str, Overlap]:
        """What was counted of each test set, by `test` and `subset`; empty where nothing was."""
        path = self.path / "test_overlap.json"
        if not path.is_file():
            return {}
        remedy = "remove it and evaluate again"
        return check_record(dict[str, Overlap], read_json(path, "the overlap with test sets"), path, remedy)


def settings_of(values: Mapping[str, Any], path: Path) -> TrainConfig:
    """The settings that were saved in `path`; newer ones are at their defaults, and this version must know all.

    Raises `DataError`.
    """
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{first['loc'][0] if first['loc'] else 'the whole'}: {first['msg'].lower()}"
        message = f"{path}: holds settings that are not known here ({what}); update rawlabel, or {AGAIN}"
        raise DataError(" ".join(message.split())) from error


def _holds_data_of(root: Path, config: TrainConfig) -> bool:
    """Whether what the settings name lies under `root`; an address, such as hub:NAME, lies nowhere."""
    if config.main is None:
        return manifests_path(root).is_dir() or export_path(root).is_dir()
    return ":" in config.main or (root / config.main).exists()
