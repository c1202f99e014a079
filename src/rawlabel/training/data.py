"""What is trained on: images with raw labels, in whatever format, cut into training and holdout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.manifest import newest_manifest
from rawlabel.artifacts.project import downloads_path, export_path, how_to_get
from rawlabel.artifacts.run_records import LeftOutCopies
from rawlabel.artifacts.split import held_out, held_out_of_classes
from rawlabel.config import TrainConfig
from rawlabel.errors import DataError
from rawlabel.images.class_selection import keep_classes, random_subset
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.input import InputRequest, InputSet, is_address, locate, read_input
from rawlabel.manifests.label_noise import Injection
from rawlabel.training.training_noise import add_noise

_SHOWN = 5
"""Classes that a line names."""


@dataclass(frozen=True)
class TrainingData:
    """Raw-label photos to train on and to hold out."""

    class_ids: tuple[str, ...]
    train: LabeledImages
    holdout: LabeledImages
    fingerprint: str
    """Hex digest that changes with the data or its labels."""
    origin: Path
    """The manifest, file or folder."""
    left_out: tuple[str, ...] = ()
    """Classes that lie there, but are not trained on."""
    injections: Mapping[str, Injection] = field(default_factory=dict)
    """Noise that was injected on purpose, by the name of its record."""
    ignored: str = ""
    """What lies there and is no image, in words."""
    left_out_copies: LeftOutCopies | None = None
    """Copies of test images that are left out of it; None where nobody looked for any."""

    def without(self, rows: Sequence[int]) -> TrainingData:
        """The data without the images at `rows`, which count the training images and then the held-out ones.

        Raises `DataError` where no training image of a class is left.
        """
        if not rows:
            return self
        is_left = np.ones(len(self.train) + len(self.holdout), dtype=np.bool_)
        is_left[list(rows)] = False
        train, held = np.split(is_left, [len(self.train)])
        digest = hashlib.sha256(f"{self.fingerprint} without {sorted(rows)}".encode()).hexdigest()
        data = replace(
            self,
            train=self.train.select(np.flatnonzero(train)),
            holdout=self.holdout.select(np.flatnonzero(held)),
            fingerprint=digest,
        )
        absent = np.bincount(data.train.labels, minlength=len(data.class_ids)) == 0
        if absent.any():
            name = data.class_ids[int(absent.argmax())]
            raise DataError(
                f"{self.origin}: all training images of class '{name}' are copies of test images; gather others, "
                "or train on them with --overlap keep"
            )
        return data

    def counts(self) -> str:
        """One line: how many images and classes there are, what is held out, and which classes are left out."""
        line = (
            f"{self.origin}: {len(self.train)} training images of {len(self.class_ids)} classes, "
            f"{len(self.holdout)} held out"
        )
        if mixed := self.injections.get("mix"):
            count, rate = int(mixed.noisy.is_changed.sum()), mixed.rate
            line += (
                f"; --mix replaced {count}"
                if count
                else (f"; --mix replaced none, since {rate:g} of no class is a whole image: raise --mix-rate")
            )
        if self.left_out:
            shown = ", ".join(self.left_out[:_SHOWN]) + (", ..." if len(self.left_out) > _SHOWN else "")
            line += f"; {len(self.left_out)} classes left out: {shown}"
        return f"{line}; {self.ignored}" if self.ignored else line


def load_training_data(config: TrainConfig) -> TrainingData:
    """Find and read the training data that `config` names.

    Raises `DataError` that names the file or folder and the remedy.
    """
    path = _locate(config)
    everything = read_input(path, training_request(config))
    found = keep_classes(everything, config, path)
    if len(found.class_ids) < 2:
        raise DataError(f"{path}: holds one class; a classifier needs at least two")
    held, split = _split(found, config)
    found, injections = add_noise(found, config, training_request(config))
    fingerprint = _fingerprint(found, split)
    train, kept = random_subset(np.flatnonzero(~held), config), set(found.class_ids)
    data = TrainingData(
        found.class_ids,
        found.images.select(train),
        found.images.select(np.flatnonzero(held)),
        fingerprint,
        path,
        tuple(name for name in everything.class_ids if name not in kept),
        injections,
        everything.ignored,
    )
    absent = np.bincount(data.train.labels, minlength=len(data.class_ids)) == 0
    if absent.any():
        name = data.class_ids[int(absent.argmax())]
        more = "raise --train-size" if config.train_size else "add some, or lower --holdout"
        raise DataError(f"{path}: class '{name}' has no training image; {more}")
    return data


def training_request(config: TrainConfig) -> InputRequest:
    """What is wanted of the training data: columns, folder of downloads and largest image, as the settings say."""
    return InputRequest(
        "train",
        config.label_column,
        config.image_column,
        downloads=downloads_path(config.root),
        max_megapixels=config.max_megapixels,
    )


def _locate(config: TrainConfig) -> Path:
    if config.main is not None:
        path = locate(config.root, config.main)
        if not is_address(path) and not path.exists():
            is_here = f"; {config.main} lies here: say --root ." if Path(config.main).exists() else ""
            hint = is_here or how_to_get(config.root, config.main)
            raise DataError(f"{path}: no such folder or manifest; check --root and --main{hint}")
        return path
    path = newest_manifest(config.root) or export_path(config.root)
    if not path.exists():
        raise DataError(
            f"{config.root}: holds neither a manifest nor `candidate`; name the data with --main, or say --main . "
            "where its folders are the classes"
        )
    return path


def _split(found: InputSet, config: TrainConfig) -> tuple[npt.NDArray[np.bool_], str]:
    """Which images are held out, and what the fingerprint has to say of that.

    Without a split of its own, an input is split by a hash of its images' names (`rawlabel.artifacts.split`), so
    that added images move others only where a class has too few.
    """
    if found.is_held_out is not None:
        return found.is_held_out, ""
    keys, seed = found.images.keys_or_names(), config.seed_of_data
    held = held_out_of_classes(keys, found.images.labels, seed, config.holdout)
    # Runs of the time when the hash alone decided are on other data where it left a class short.
    is_hash_alone = (held == held_out(keys, seed, config.holdout)).all()
    return held, f"holdout={config.holdout}:{seed}{'' if is_hash_alone else ':none short'}"


def _fingerprint(found: InputSet, split: str) -> str:
    """That of data and split."""
    return hashlib.sha256(f"{found.fingerprint}{split}".encode()).hexdigest() if split else found.fingerprint
