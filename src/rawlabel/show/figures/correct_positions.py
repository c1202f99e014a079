"""Read which test images were right, where a file names them by their positions and not by class.

The published trainer writes ``{"correct": [position, ...]}`` with `--track-correct`, next to a run's text log
(``train_logs.txt`` and ``train_logs_corr.json``). Positions count from 0 in the order of the test set, so only the
labels of that test set say which classes they are of.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rawlabel.base.files import read_json
from rawlabel.errors import DataError
from rawlabel.show.figures.class_results import ClassResults

_FORM = '{"correct": [positions of the test images that are right, from 0]}'
_LABELS = "y_test"
"""Name of the test labels in an archive, as in the authors' own."""


def read_correct_positions(path: Path) -> NDArray[np.int64]:
    """The positions, each once. Raises `DataError` that names the file."""
    value = read_json(path, _FORM)
    positions = value.get("correct") if isinstance(value, dict) else None
    if not isinstance(positions, list) or not all(type(one) is int and one >= 0 for one in positions):
        raise DataError(f"{path}: has no list of positions; it should hold {_FORM}")
    if len(set(positions)) < len(positions):
        raise DataError(f"{path}: names a test image twice; it should hold {_FORM}")
    return np.array(positions, dtype=np.int64)


def read_test_labels(path: Path) -> NDArray[np.int64]:
    """The labels of the test images in their order: a NumPy file, or `y_test` of an archive.

    Raises `DataError` that names the file.
    """
    form = f"whole numbers, one a test image, as a .npy file or as `{_LABELS}` of an .npz archive"
    try:
        found = np.load(path, allow_pickle=False)
        labels = found if isinstance(found, np.ndarray) else found[_LABELS]
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise DataError(f"{path}: holds no labels that can be read; it should hold {form}") from error
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.size == 0 or (labels < 0).any():
        raise DataError(f"{path}: holds {labels.dtype} values of shape {labels.shape}; it should hold {form}")
    return labels.astype(np.int64)


def correct_by_class(path: Path, labels: NDArray[np.int64]) -> ClassResults:
    """Right images of each class of `labels`, from the positions in `path`. Raises `DataError`."""
    positions = read_correct_positions(path)
    if len(positions) and positions.max() >= len(labels):
        raise DataError(
            f"{path}: names the test image {positions.max()} of {len(labels)}; give the labels of its own test set"
        )
    trials = np.bincount(labels)
    correct = np.bincount(labels[positions], minlength=len(trials))
    return ClassResults(tuple(str(index) for index in range(len(trials))), correct, trials)
