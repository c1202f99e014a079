"""Read result folders in the layout that the paper's authors published, strictly.

Every reader raises `DataError`, one line that names the file and the remedy, for a file that is missing,
unreadable or not of the published form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import oracle_epoch
from rawlabel.base.files import read_json
from rawlabel.errors import DataError

_LOG_FORM = "a list of {epoch, train: {acc1, acc5}, test: {acc1, acc5}} with accuracies in percent"


@dataclass(frozen=True, slots=True)
class AccuracyLog:
    """Top-1 accuracies in percent, one value an epoch; NaN where an epoch was not measured."""

    epochs: NDArray[np.int64]
    train: NDArray[np.float64]
    test: NDArray[np.float64]
    holdout: NDArray[np.float64]
    subset: NDArray[np.float64]
    """Of a second test set."""
    selected_epoch: int | None = None
    """Epoch that the stopping rule selected; None in the authors' logs, which have no rule."""

    @property
    def has_test(self) -> bool:
        """Whether test accuracy was measured at any epoch."""
        return not bool(np.isnan(self.test).all())

    @property
    def oracle_position(self) -> int:
        """Position of the best test accuracy, the earliest one on a tie."""
        measured = {
            int(epoch): float(one) for epoch, one in zip(self.epochs, self.test, strict=True) if one == one
        }
        return int(np.flatnonzero(self.epochs == oracle_epoch(measured))[0])

    @property
    def last_position(self) -> int:
        """Position of the last epoch with a test accuracy."""
        return int(np.flatnonzero(~np.isnan(self.test))[-1])

    @property
    def selected_position(self) -> int | None:
        """Position of the selected epoch among the logged ones, from 0; None where nothing was selected."""
        if self.selected_epoch is None:
            return None
        return int(np.flatnonzero(self.epochs == self.selected_epoch)[0])


@dataclass(frozen=True, slots=True)
class CandidateCounts:
    """Candidates per class in the order of `num_imgs_per_class.txt`."""

    class_ids: tuple[str, ...]
    counts: NDArray[np.int64]
    excluded: frozenset[str] | None
    """Ids of the excluded classes; None when the folder does not say."""


def read_accuracy_log(folder: Path) -> AccuracyLog:
    """Read `log.json` and, where the folder has one, the epoch that `summary.json` says was selected."""
    run = Run(folder)
    if not run.epochs:
        problem = "has no epoch" if run.log_path.is_file() else "no such file"
        raise DataError(f"{run.log_path}: {problem}; it should hold {_LOG_FORM}")
    if any(one.train.acc1 is None for one in run.epochs):
        raise DataError(f"{run.log_path}: an epoch lacks train.acc1; it should hold {_LOG_FORM}")
    shown = (one for epoch in run.epochs for one in (epoch.train, epoch.test, epoch.holdout, epoch.subset))
    if any(one.acc1 is not None and not 0 <= one.acc1 <= 100 for one in shown):
        raise DataError(f"{run.log_path}: an acc1 is no percentage; it should hold {_LOG_FORM}")
    selected = run.summary.selected_epoch if run.is_finished else None
    epochs = np.array([one.epoch for one in run.epochs], dtype=np.int64)
    if selected is not None and selected not in epochs:
        path = folder / "summary.json"
        raise DataError(f"{path}: selected_epoch {selected} is not in log.json; use the two files of one run")
    train, holdout, subset = (
        np.array([math.nan if one.acc1 is None else one.acc1 for one in part])
        for part in zip(*((one.train, one.holdout, one.subset) for one in run.epochs), strict=True)
    )
    test = np.array([math.nan if (value := one.test_accuracy) is None else value for one in run.epochs])
    return AccuracyLog(epochs, train, test, holdout, subset, selected)


def read_class_counts(path: Path) -> dict[str, int]:
    """Read a `corr.json`: correctly classified test images by class id."""
    form = "{class id: number of correctly classified test images}"
    counts: dict[str, int] = {}
    for class_id, count in _read_object(path, form).items():
        if not _is_count(count):
            raise DataError(f"{path}: {class_id!r} has no whole number; it should hold {form}")
        counts[class_id] = count
    return counts


def read_class_index(path: Path) -> tuple[str, ...]:
    """Read an `idx2cls.json`: class ids in the order of the rows of a confusion matrix."""
    form = '{"0": class id, "1": class id, ...}'
    names = _read_object(path, form)
    if set(names) != {str(index) for index in range(len(names))}:
        raise DataError(f"{path}: the indices do not run from 0 to {len(names) - 1}; it should hold {form}")
    values = (names[str(index)] for index in range(len(names)))
    class_ids = tuple(one for one in values if isinstance(one, str))
    if not len(set(class_ids)) == len(class_ids) == len(names):
        raise DataError(f"{path}: each index needs a class id of its own; it should hold {form}")
    return class_ids


def read_confusion_matrix(path: Path) -> NDArray[np.int64]:
    """Read a `confmat.npy`: square matrix of counts, one row a true class."""
    form = "a square matrix of whole numbers, one row a true class"
    try:
        matrix = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; it should hold {form}") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: is no NumPy array file; it should hold {form}") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise DataError(f"{path}: has the shape {getattr(matrix, 'shape', '?')}; it should hold {form}")
    if matrix.dtype.kind not in "iu" or matrix.size == 0 or (matrix < 0).any():
        raise DataError(f"{path}: holds {matrix.dtype} values that are no counts; it should hold {form}")
    return matrix.astype(np.int64)


def read_keywords(path: Path) -> dict[str, str]:
    """Read a class file of the published form: the first search keyword by class id."""
    form = "{class id: [search keywords]}"
    keywords: dict[str, str] = {}
    for class_id, words in _read_object(path, form).items():
        if not isinstance(words, list) or not words or not isinstance(words[0], str):
            raise DataError(f"{path}: {class_id!r} has no list of keywords; it should hold {form}")
        keywords[class_id] = words[0]
    return keywords


def read_candidate_counts(folder: Path) -> CandidateCounts:
    """Read `num_imgs_per_class.txt` and, where it exists, `num_imgs_per_class_excluded.txt`.

    The second file names classes by their row in the first, counted from 0, and repeats their counts, which
    must agree.
    """
    path = folder / "num_imgs_per_class.txt"
    rows = _read_table(path, "wnid num")
    class_ids = tuple(class_id for class_id, _ in rows)
    if len(set(class_ids)) < len(class_ids):
        raise DataError(f"{path}: names a class twice; remove the wrong line")
    counts = np.array([count for _, count in rows], dtype=np.int64)
    excluded_path = folder / "num_imgs_per_class_excluded.txt"
    if not excluded_path.exists():
        return CandidateCounts(class_ids, counts, None)
    excluded = set()
    for row, count in _read_table(excluded_path, "idx num"):
        if not row.isdecimal() or int(row) >= len(class_ids) or counts[int(row)] != count:
            raise DataError(
                f"{excluded_path}: row {row} with {count} images is not in {path.name}; "
                "use the two files of one collection"
            )
        excluded.add(class_ids[int(row)])
    return CandidateCounts(class_ids, counts, frozenset(excluded))


def _read_object(path: Path, form: str) -> Mapping[str, object]:
    value = read_json(path, form)
    if not isinstance(value, dict) or not value:
        raise DataError(f"{path}: is no JSON object with entries; it should hold {form}")
    return value


def _read_table(path: Path, header: str) -> list[tuple[str, int]]:
    """Read lines of a name and a count below the line `header`."""
    form = f"a line '{header}' and then one name and one whole number a line"
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; it should hold {form}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text; it should hold {form}") from error
    fields = [line.rsplit(maxsplit=1) for line in lines if line.strip()]
    if not fields or fields[0] != header.split() or len(fields) == 1:
        raise DataError(f"{path}: does not begin with '{header}' and a table; it should hold {form}")
    for number, row in enumerate(fields[1:], start=2):
        if len(row) != 2 or not row[1].isdecimal():
            raise DataError(f"{path}: line {number} is no name and whole number; it should hold {form}")
    return [(name.strip(), int(count)) for name, count in fields[1:]]


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
