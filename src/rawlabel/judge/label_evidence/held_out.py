"""What networks said of photos that they were not trained on, and how it is resampled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Photos with raw labels and out-of-sample predictions, of one run or pooled over several."""

    class_ids: tuple[str, ...]
    photos: tuple[str, ...]
    """Name of each photo; one that stands under two labels is there twice."""
    labels: Labels
    """Raw label [photos], index into `class_ids`."""
    probabilities: Floats
    """Predicted probabilities [photos, classes]; rows add up to 1."""
    features: Floats | None = None
    """Input of the network's last layer [photos, features]; None when pooled, as runs do not share axes."""

    def __post_init__(self) -> None:
        """Refuse what cannot be predictions; raises `DataError`."""
        count, classes = len(self.photos), len(self.class_ids)
        if self.labels.shape != (count,) or self.probabilities.shape != (count, classes):
            raise DataError(
                f"held-out predictions: {count} photos and {classes} classes do not fit labels "
                f"{self.labels.shape} and probabilities {self.probabilities.shape}; predict again"
            )
        if not count:
            raise DataError("held-out predictions: nothing is held out; train with --holdout above 0")
        if self.labels.min() < 0 or self.labels.max() >= classes:
            raise DataError("held-out predictions: a label is none of the classes; predict again")
        if not np.isfinite(self.probabilities).all() or not np.allclose(
            self.probabilities.sum(axis=1), 1, atol=1e-3
        ):
            raise DataError("held-out predictions: rows of probabilities do not add up to 1; predict again")

    @property
    def num_classes(self) -> int:
        """Number of classes, the length of a row of probabilities."""
        return len(self.class_ids)

    @property
    def predicted(self) -> Labels:
        """Index [photos] of each photo's most probable class; the first one where several are equal."""
        best: Labels = self.probabilities.argmax(axis=1)
        return best

    def counts(self) -> Labels:
        """Number of photos [classes] that carry each raw label; 0 for a class without any."""
        return np.bincount(self.labels, minlength=self.num_classes).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Pool:
    """Held-out predictions of several runs, by photo: what was held out twice is averaged."""

    runs: tuple[HeldOut, ...]
    rows: tuple[Labels, ...]
    """For each run: the pooled row of each of its photos."""
    labels: Labels
    photos: tuple[str, ...]

    @classmethod
    def of(cls, runs: Sequence[HeldOut]) -> Pool:
        """Pool the runs; raises `DataError` when there is none, or their classes differ."""
        if not runs:
            raise DataError("held-out predictions: no run was given; name at least one run directory")
        if any(run.class_ids != runs[0].class_ids for run in runs):
            raise DataError("held-out predictions: the runs have different classes; name runs on the same data")
        index: dict[tuple[str, int], int] = {}
        rows = []
        for run in runs:
            keys = zip(run.photos, run.labels.tolist(), strict=True)
            rows.append(np.array([index.setdefault(key, len(index)) for key in keys], dtype=np.int64))
        labels = np.array([label for _, label in index], dtype=np.int64)
        return cls(tuple(runs), tuple(rows), labels, tuple(photo for photo, _ in index))

    def mean(self, chosen: Sequence[int] | None = None) -> HeldOut:
        """Every photo that one of the `chosen` runs (all by default; may repeat) held out, once."""
        total = np.zeros((len(self.labels), self.runs[0].num_classes))
        times = np.zeros(len(self.labels), dtype=np.int64)
        for i in range(len(self.runs)) if chosen is None else chosen:
            # A run names no photo twice under one label, so plain indexing adds each row once.
            total[self.rows[i]] += self.runs[i].probabilities
            times[self.rows[i]] += 1
        kept = np.flatnonzero(times)
        photos = tuple(self.photos[i] for i in kept)
        return HeldOut(self.runs[0].class_ids, photos, self.labels[kept], total[kept] / times[kept, None])

    def times_held_out(self) -> Labels:
        """In how many runs each photo of `mean()` was held out."""
        return np.bincount(np.concatenate(self.rows), minlength=len(self.labels)).astype(np.int64)

    def resampled(self, draws: int, seed: int) -> Iterator[tuple[Labels, Floats]]:
        """Labels and probabilities of `draws` bootstrap samples.

        Each sample draws runs with replacement, and then, within each raw label, photos with replacement; so the
        spread is that of other photos and, with several runs, of other networks and splits.
        """
        rng = np.random.default_rng(seed)
        for _ in range(draws):
            pooled = self.mean(rng.integers(len(self.runs), size=len(self.runs)).tolist())
            order = np.argsort(pooled.labels, kind="stable")
            counts = pooled.counts()
            starts = np.repeat(np.cumsum(counts) - counts, counts)
            picked = order[starts + (rng.random(len(order)) * np.repeat(counts, counts)).astype(np.int64)]
            yield pooled.labels[picked], pooled.probabilities[picked]
