"""Lists of photos to leave out, as `rawlabel review`, another tool or a person writes them.

Each entry names a photo by its id (`source:id`, or the id alone), by a digest of its bytes or pixels (SHA-256), or
by the path of a file, and may narrow it to one class. An entry that says nothing else asks to drop the photo.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.review.answer_file import is_look, look_of, numbered_lines
from rawlabel.artifacts.review.answers import Answer, Answers, Look
from rawlabel.errors import DataError

_SOURCE, _CLASS, _ANSWER = ("source",), ("class_id",), ("answer",)
_PHOTO = (
    "photo_id", "id", "photo", "stored_sha256", "sha256", "pixel_sha256", "path", "file", "filepath", "filename",
)  # fmt: skip
_WORDS = {
    "": Answer.DROP, "drop": Answer.DROP, "keep": Answer.KEEP, "not_sure": Answer.NOT_SURE,
    "not sure": Answer.NOT_SURE,
}  # fmt: skip
_FORMS = f"a column or key of {', '.join(_PHOTO)}, or lines of text with one photo each"


@dataclass(frozen=True)
class Entry:
    """One photo that a list names."""

    photo: str
    """An id, a digest or a path."""
    answer: Answer = Answer.DROP
    source: str = ""
    """Of an id; empty where the list does not say."""
    class_id: str = ""
    """The class under which it is meant; empty means every class."""
    where: str = ""
    """File and line, for messages."""
    is_stated: bool = True
    """Whether the list itself says what the answer is."""
    file: str = ""
    """The list that names it."""


@dataclass(frozen=True)
class AnswerLists:
    """All entries of some files, in order, and how many photos a person is known to have looked at."""

    entries: tuple[Entry, ...] = ()
    torn: int = 0
    """Lines that a killed process left unfinished."""
    looked_at: frozenset[tuple[str, str]] = frozenset()
    """Source and id of the photos in the files of `rawlabel review`, answers that were taken back included."""


def read_answer_lists(paths: Iterable[Path]) -> AnswerLists:
    """Read files of answers and lists, whichever they are. Raises `DataError` that names the file and line."""
    entries: list[Entry] = []
    torn, looked_at = 0, set[tuple[str, str]]()
    for path in paths:
        if not path.is_file():
            raise DataError(f"--drop {path}: no such file; `rawlabel review` writes PROJECT/review.jsonl")
        found, answers, num_torn = _read(path)
        entries += [replace(one, file=str(path)) for one in found]
        torn += num_torn
        looked_at |= answers.looked_at
    return AnswerLists(tuple(entries), torn, frozenset(looked_at))


def _read(path: Path) -> tuple[list[Entry], Answers, int]:
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return _json_lines(path)
    if suffix == ".json":
        return list(_json(path)), Answers(), 0
    if suffix in (".csv", ".tsv"):
        return list(_table(path, "," if suffix == ".csv" else "\t")), Answers(), 0
    if suffix == ".parquet":
        return list(_parquet(path)), Answers(), 0
    # Numbers signs begin comments, as in lists that people write.
    lines = ((number, line.strip()) for number, line in numbered_lines(path))
    found = [_of_text(line, f"{path}, line {number}") for number, line in lines if not line.startswith("#")]
    return found, Answers(), 0


def _json_lines(path: Path) -> tuple[list[Entry], Answers, int]:
    entries: list[Entry] = []
    looks: list[Look] = []
    torn: list[int] = []
    for number, line in numbered_lines(path):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            torn.append(number)
            continue
        where = f"{path}, line {number}"
        if is_look(value):
            looks.append(look_of(value, Path(where)))
        else:
            entries.append(_of_value(value, where))
    if torn and not looks:
        raise DataError(f"--drop {path}, line {torn[0]}: is no JSON; call a list of other lines .txt")
    answers = Answers(looks)
    reviewed = (
        Entry(subject.photo_id, answer, subject.source, subject.class_id, str(path))
        for subject, answer in answers.standing()
    )
    return [*reviewed, *entries], answers, len(torn)


def _json(path: Path) -> Iterator[Entry]:
    try:
        values = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"--drop {path}: is no JSON that can be read ({error}); write a list of photos") from error
    if not isinstance(values, list):
        raise DataError(f"--drop {path}: holds no list; write one of photos, with {_FORMS}")
    for number, value in enumerate(values, start=1):
        yield _of_value(value, f"{path}, entry {number}")


def _table(path: Path, delimiter: str) -> Iterator[Entry]:
    try:
        text = path.read_text("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        for number, row in enumerate(reader, start=2):
            yield _of_value(row, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"--drop {path}: is no table that can be read ({error}); write it again") from error


def _parquet(path: Path) -> Iterator[Entry]:
    try:
        names = set(pq.read_schema(path).names)
        table = pq.read_table(
            path, columns=[one for one in (*_PHOTO, *_SOURCE, *_CLASS, *_ANSWER) if one in names]
        )
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"--drop {path}: is no Parquet file that can be read; write it again") from error
    number = 0
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            number += 1
            yield _of_value(row, f"{path}, row {number}")


def _of_value(value: object, where: str) -> Entry:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return _of_text(str(value), where)
    if not isinstance(value, Mapping):
        raise DataError(f"--drop {where}: names no photo; write {_FORMS}")
    # Where a table has several columns that name the photo, the first of them that says something does.
    photo = _first(value, _PHOTO)
    if not photo:
        raise DataError(f"--drop {where}: names no photo; write {_FORMS}")
    word = _first(value, _ANSWER).lower()
    if word not in _WORDS:
        raise DataError(f"--drop {where}: says {word!r}; say drop, keep or not_sure")
    return Entry(photo, _WORDS[word], _first(value, _SOURCE), _first(value, _CLASS), where, is_stated=bool(word))


def _of_text(text: str, where: str) -> Entry:
    if not text.strip():
        raise DataError(f"--drop {where}: names no photo; write {_FORMS}")
    return Entry(text.strip(), where=where, is_stated=False)


def _first(row: Mapping[object, object], names: tuple[str, ...]) -> str:
    """The first of the columns that says something, as text; empty where none does."""
    values = (row.get(name) for name in names)
    return next((str(one).strip() for one in values if one is not None and str(one).strip()), "")
