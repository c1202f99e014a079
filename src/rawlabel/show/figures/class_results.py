"""Test results by class: how many images of each class were classified correctly, and as what else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rawlabel.base.metrics import clopper_pearson
from rawlabel.errors import DataError
from rawlabel.show.figures.published_layout import read_class_counts, read_class_index, read_confusion_matrix

PUBLISHED_TRIALS = 50
"""Test images of each class in ImageNet's validation set, for result folders that do not state it."""


@dataclass(frozen=True, slots=True)
class ClassResults:
    """Correct test images (`correct`) out of `trials`, one value a class."""

    class_ids: tuple[str, ...]
    correct: NDArray[np.int64]
    trials: NDArray[np.int64]

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Accuracy in percent; every class needs a test image."""
        return 100 * self.correct / self.trials

    def interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """95 % Clopper-Pearson limits of the accuracy, in percent."""
        lower, upper = clopper_pearson(self.correct, self.trials)
        return 100 * lower, 100 * upper

    def trials_by_class(self) -> dict[str, int]:
        """Number of test images of each class by class id; 0 where there is none, as plain integers."""
        return dict(zip(self.class_ids, self.trials.tolist(), strict=True))

    def tested(self) -> ClassResults:
        """The same results without classes that have no test image, whose accuracy is not defined."""
        return self.take(np.flatnonzero(self.trials))

    def take(self, positions: NDArray[Any]) -> ClassResults:
        """The classes at the given positions, in their order."""
        class_ids = tuple(self.class_ids[position] for position in positions)
        return ClassResults(class_ids, self.correct[positions], self.trials[positions])


@dataclass(frozen=True, slots=True)
class Confusions:
    """A confusion matrix of counts, row = true class, with its class ids."""

    class_ids: tuple[str, ...]
    matrix: NDArray[np.int64]

    def results(self) -> ClassResults:
        """Correct images and trials of each class."""
        return ClassResults(self.class_ids, self.matrix.diagonal().copy(), self.matrix.sum(axis=1))


def read_confusions(folder: Path, index_path: Path) -> Confusions:
    """Read `confmat.npy` with the class ids of `index_path`, and check it against a `corr.json` beside it.

    Raises:
        DataError: A file is malformed, or two of them do not belong together.
    """
    path = folder / "confmat.npy"
    matrix = read_confusion_matrix(path)
    class_ids = read_class_index(index_path)
    if len(class_ids) != len(matrix):
        raise DataError(
            f"{path}: has {len(matrix)} classes and {index_path} has {len(class_ids)}; use the files of one run"
        )
    if not matrix.any():
        raise DataError(f"{path}: counts no test image; evaluate the run on a test set with images")
    counts_path = folder / "corr.json"
    if counts_path.exists():
        expected = dict(zip(class_ids, matrix.diagonal().tolist(), strict=True))
        if read_class_counts(counts_path) != expected:
            raise DataError(f"{counts_path}: disagrees with the diagonal of {path.name}; use the files of one run")
    return Confusions(class_ids, matrix)


def read_class_results(path: Path, confusions: Confusions | None) -> ClassResults:
    """Read a `corr.json` alone; the trials are those of `confusions`, else `PUBLISHED_TRIALS` a class.

    Raises:
        DataError: The file is malformed, has other classes than `confusions`, or more correct images than
            trials.
    """
    counts = read_class_counts(path)
    trials = dict.fromkeys(counts, PUBLISHED_TRIALS)
    if confusions is not None:
        trials = dict(zip(confusions.class_ids, confusions.matrix.sum(axis=1).tolist(), strict=True))
    if trials.keys() != counts.keys():
        raise DataError(f"{path}: has other classes than the confusion matrix; use the files of one run")
    for class_id, count in counts.items():
        if count > trials[class_id]:
            raise DataError(
                f"{path}: {class_id!r} has {count} correct of {trials[class_id]} images; "
                "add the confmat.npy of the same evaluation, whose rows give the images of each class"
            )
    class_ids = tuple(counts)
    return ClassResults(
        class_ids,
        np.array([counts[one] for one in class_ids], dtype=np.int64),
        np.array([trials[one] for one in class_ids], dtype=np.int64),
    )
