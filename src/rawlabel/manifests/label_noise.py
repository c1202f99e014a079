"""Label noise injected on purpose: one file a kind, all with exact counts and a seed, none of them silent.

What real search noise does to a stopping rule or a method is best understood beside noise whose amount and kind
are known. To add a kind, write `<name>.py` with `PLUGIN`, a subclass of `LabelNoise`. A kind that replaces photos,
and not labels, says by which photo of a second set. The holdout gets the same noise as the training photos: labels
are raw everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from rawlabel.base import families
from rawlabel.base.files import write_json
from rawlabel.config import Section, load_options
from rawlabel.errors import ConfigError, DataError

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """What a kind of noise may look at besides the labels; kinds say what they need."""

    class_ids: tuple[str, ...] = ()
    """Class ids in index order."""
    class_names: tuple[str, ...] = ()
    """Names of the classes in index order."""
    features: npt.NDArray[np.floating[Any]] | None = None
    """[n, d] a feature vector for each photo."""
    second_labels: Labels | None = None
    """[m] class index of each photo of a second set; -1 for a photo that shows none of the classes."""


@dataclass(frozen=True)
class NoisyLabels:
    """Labels after the noise, and what was done to them."""

    labels: Labels
    """[n] class indices."""
    is_changed: npt.NDArray[np.bool_]
    """[n] whether the label is another one, or the photo was replaced."""
    transition: npt.NDArray[np.float64]
    """[classes, classes]; row i holds the shares of the labels i that are each class now, and sums to 1."""
    replaced_by: Labels
    """[n] photo of the second set that stands in the place; -1 where the photo stays."""
    description: str
    """What was done, in a sentence."""


class NoOptions(Section):
    """Options of a kind that has none."""


OptionsType = TypeVar("OptionsType", bound=Section)


class LabelNoise(ABC, Generic[OptionsType]):
    """Base of all kinds; `rate` is the share of labels that become wrong [0 to 1]."""

    Options: type[Section] = NoOptions
    """Class of the kind's options, with the published values as defaults."""
    is_replacing: bool = False
    """Whether it puts photos of a second set in the place of others, and so needs one."""

    def __init__(self, rate: float, options: OptionsType) -> None:
        self.rate, self.options = rate, options

    @abstractmethod
    def apply(self, labels: Labels, num_classes: int, rng: np.random.Generator, evidence: Evidence) -> NoisyLabels:
        """Return the labels [n] after the noise; nothing random comes from anywhere but `rng`.

        Raises `ConfigError` for options that do not fit the classes, `DataError` for evidence that is missing.
        """


# A key that is a word of Python needs this form.
ChangesInClass = TypedDict("ChangesInClass", {"class": str, "labels": int, "changed": int})


class InjectionRecord(TypedDict):
    """What was done, as it is kept with whatever is made of the labels."""

    kind: str
    rate: float
    seed: int
    options: Mapping[str, object]
    description: str
    num_labels: int
    num_changed: int
    share_changed: float
    labels_sha256: str
    by_class: list[ChangesInClass]


@dataclass(frozen=True)
class Injection:
    """One injection: what was asked for and what came of it."""

    kind: str
    rate: float
    seed: int
    options: Mapping[str, object]
    before: Labels
    noisy: NoisyLabels
    class_ids: tuple[str, ...] = field(default=())

    def by_class(self) -> list[ChangesInClass]:
        """For each class its index, id where known, number of labels before, and how many were changed."""
        size = len(self.noisy.transition)
        totals = np.bincount(self.before, minlength=size)
        changed = np.bincount(self.before[self.noisy.is_changed], minlength=size)
        names = self.class_ids or tuple(str(index) for index in range(size))
        return [
            {"class": name, "labels": int(total), "changed": int(count)}
            for name, total, count in zip(names, totals, changed, strict=True)
        ]

    def record(self) -> InjectionRecord:
        """What was done as plain values, to be kept with whatever is made of the labels."""
        num_changed = int(self.noisy.is_changed.sum())
        return {
            "kind": self.kind,
            "rate": self.rate,
            "seed": self.seed,
            "options": self.options,
            "description": self.noisy.description,
            "num_labels": len(self.before),
            "num_changed": num_changed,
            "share_changed": num_changed / max(len(self.before), 1),
            "labels_sha256": sha256(self.noisy.labels.astype("<i8").tobytes()).hexdigest(),
            "by_class": self.by_class(),
        }

    def write_record(self, path: Path) -> None:
        """Write the record and each change as [position, label before, label after, photo of the second set].

        Raises `DiskError`.
        """
        places = np.flatnonzero(self.noisy.is_changed)
        columns = (places, self.before[places], self.noisy.labels[places], self.noisy.replaced_by[places])
        write_json(path, {**self.record(), "changes": np.stack(columns, axis=1).tolist()})


def inject(
    labels: npt.ArrayLike,
    num_classes: int,
    kind: str,
    rate: float,
    seed: int,
    *,
    options: Sequence[str] = (),
    evidence: Evidence | None = None,
    option_flag: str = "--option",
) -> Injection:
    """Inject noise of a kind into `labels` [n] (class indices); equal arguments give equal labels anywhere.

    `options` are the kind's own, as KEY=VALUE; messages call their flag `option_flag`. The labels handed in stay
    as they are. Raises `PluginError` for an unknown kind, `ConfigError` for a rate or options that do not fit, and
    `DataError` for labels or evidence.
    """
    evidence = evidence or Evidence()
    before = np.array(labels, dtype=np.int64)
    if not 0 <= rate <= 1:
        raise ConfigError(f"a rate of {rate} is no share; give one from 0 to 1")
    if len(before) and not 0 <= before.min() <= before.max() < num_classes:
        raise DataError(f"labels: are {before.min()} to {before.max()}, but there are {num_classes} classes")
    noise_type: type[LabelNoise[Any]] = families.load(families.Family.LABEL_NOISE, kind)
    chosen = load_options(noise_type.Options, tuple(options), option_flag)
    # PCG64 by name: numpy's default may become another one.
    rng = np.random.Generator(np.random.PCG64(seed))
    noisy = noise_type(rate, chosen).apply(before.copy(), num_classes, rng, evidence)
    return Injection(kind, rate, seed, chosen.as_json(), before, noisy, evidence.class_ids)
