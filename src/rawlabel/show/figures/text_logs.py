"""Read the text logs that the paper's authors published beside their JSON logs, strictly.

There are two forms. A *progress log*, as in their repository for CIFAR-10, has a line ``Epoch 12`` and below it a
line ``top-1, top-5`` in percent for each set that was measured: training, test and, in some, a second test set. A
*table* has a line ``epoch train test`` and then these three numbers a line, accuracies in percent. The authors
added to a file whenever they trained again, so that one file may hold several runs: a new one begins where the
epoch does not rise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rawlabel.errors import DataError
from rawlabel.show.figures.published_layout import AccuracyLog

_SETS = ("train", "test", "subset")
_TABLE = ["epoch", "train", "test"]
_EPOCH = re.compile(r"Epoch (\d+)")
_FORM = (
    "lines 'Epoch N', each with a line 'top-1, top-5' in percent for training, test and perhaps a second test set "
    "below it, or a table with the head 'epoch train test'"
)
_Entry = tuple[int, list[float]]
"""An epoch and the top-1 accuracies of its sets."""


def is_text_log(path: Path) -> bool:
    """Whether a text file begins as one of the two forms does; a look at its first line."""
    try:
        with path.open(encoding="utf-8") as stream:
            first = stream.readline(200).strip()
    except (OSError, UnicodeDecodeError):
        return False
    return first.split() == _TABLE or _EPOCH.fullmatch(first) is not None


def read_text_log(path: Path) -> list[AccuracyLog]:
    """The runs of a text log in their order. Raises `DataError` that names the file and the line."""
    try:
        text = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text; it should hold {_FORM}") from error
    lines = [(number, line.strip()) for number, line in enumerate(text, start=1) if line.strip()]
    is_table = bool(lines) and lines[0][1].split() == _TABLE
    entries = list(_table_entries(path, lines[1:]) if is_table else _progress_entries(path, lines))
    if not entries:
        raise DataError(f"{path}: has no epoch; it should hold {_FORM}")
    runs: list[list[_Entry]] = []
    for entry in entries:
        if not runs or entry[0] <= runs[-1][-1][0]:
            runs.append([])
        runs[-1].append(entry)
    return [_log(run) for run in runs]


def _table_entries(path: Path, lines: list[tuple[int, str]]) -> Iterator[_Entry]:
    for number, line in lines:
        fields = line.split()
        if len(fields) != len(_TABLE):
            raise DataError(f"{path}: line {number} has {len(fields)} numbers and not 3; it should hold {_FORM}")
        epoch = _number(path, number, fields[0])
        if epoch != int(epoch):
            raise DataError(f"{path}: line {number}: epoch {fields[0]} is no whole number; mend that line")
        yield int(epoch), [_percentage(path, number, field) for field in fields[1:]]


def _progress_entries(path: Path, lines: list[tuple[int, str]]) -> Iterator[_Entry]:
    epoch: int | None = None
    measured: list[float] = []
    for number, line in [*lines, (len(lines), "Epoch 0")]:
        head = _EPOCH.fullmatch(line)
        if head is None and epoch is not None and len(measured) < len(_SETS):
            measured.append(_percentage(path, number, line.split(",")[0]))
            continue
        if head is None:
            raise DataError(f"{path}: line {number} belongs to no epoch; it should hold {_FORM}")
        if epoch is not None and len(measured) < 2:
            raise DataError(f"{path}: epoch {epoch} lacks a line of accuracies; take its unfinished lines out")
        if epoch is not None:
            yield epoch, measured
        epoch, measured = int(head[1]), []


def _number(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise DataError(f"{path}: line {line}: '{text}' is no such number; it should hold {_FORM}")
    return value


def _percentage(path: Path, line: int, text: str) -> float:
    value = _number(path, line, text)
    if value > 100:
        raise DataError(f"{path}: line {line}: {text} is no percentage; it should hold {_FORM}")
    return value


def _log(run: list[_Entry]) -> AccuracyLog:
    values = np.full((len(_SETS), len(run)), np.nan)
    for position, (_, measured) in enumerate(run):
        values[: len(measured), position] = measured
    train, test, subset = values
    epochs = np.array([epoch for epoch, _ in run], dtype=np.int64)
    return AccuracyLog(epochs, train, test, np.full(len(run), np.nan), subset)
