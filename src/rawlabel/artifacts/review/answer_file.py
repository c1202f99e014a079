"""The file of answers, `review.jsonl` in a project: a line a look, on the disk before the next photo is shown.

Lines are only ever added. A process that is killed may leave the last one torn: it is no JSON then, is passed over
and counted, and the next line begins on a line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from rawlabel.artifacts.review.answers import Answer, Answers, Look, Subject
from rawlabel.base.checked import Count, Record, check_record
from rawlabel.base.files import disk_errors
from rawlabel.errors import DataError

FILE = "review.jsonl"
_REMEDY = "mend the line, or take it out"


def answers_path(project: Path) -> Path:
    """Where the answers about a project's photos are; the file may not exist yet."""
    return project / FILE


class AnswerRecord(Record):
    """What a line says of one photo under one class."""

    source: str = Field(min_length=1, description="Plug-in name of the photo's source.")
    photo_id: str = Field(min_length=1, description="The source's own id of the photo.")
    class_id: str = Field(min_length=1, description="Class under which the person saw it.")
    answer: Answer = Field(description="keep, drop or not_sure.")


class LookRecord(Record):
    """A line as it is written."""

    id: str = Field(min_length=1, description="Name of the look, which no other has.")
    at: Count = Field(description="When [seconds since 1970, UTC].")
    view: str = Field("", description="What the page showed: suspects, classes, copies, conflicts, ...")
    answers: tuple[AnswerRecord, ...] = Field((), description="What was said, of each photo that was asked about.")
    undoes: str | None = Field(None, description="Id of the look that this one takes back, in place of answers.")


@dataclass(frozen=True)
class ReadAnswers:
    """What a file of answers holds."""

    answers: Answers
    torn: int = 0
    """Lines that are no JSON: what killed processes left."""


def read_answers(path: Path) -> ReadAnswers:
    """Read a file of answers; one that is not there holds none.

    Raises `DataError` that names the line where one is whole, but no answer.
    """
    if not path.exists():
        return ReadAnswers(Answers())
    answers, torn = Answers(), 0
    for number, line in numbered_lines(path):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            torn += 1
            continue
        answers.add(look_of(value, Path(f"{path}, line {number}")))
    return ReadAnswers(answers, torn)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not empty, with their numbers from 1. Raises `DataError`."""
    try:
        # Bytes that are no UTF-8 belong to a line that is torn.
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    # `splitlines` would also split at signs that a title may hold.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.strip():
            yield number, line


def is_look(value: object) -> bool:
    """Whether a line's value is one that `rawlabel review` wrote, and not an entry of somebody's list."""
    return isinstance(value, dict) and "id" in value and ("answers" in value or "undoes" in value)


def look_of(value: object, where: Path) -> Look:
    """The look that a line's value is. Raises `DataError` that names `where`."""
    record = check_record(LookRecord, value, where, _REMEDY)
    answers = {Subject(one.source, one.photo_id, one.class_id): one.answer for one in record.answers}
    return Look(record.id, record.at, record.view, answers, record.undoes)


class AnswerFile:
    """The open file of answers; one process holds it at a time, which is for the caller to see to."""

    def __init__(self, path: Path) -> None:
        """Open the file for adding lines, and make it where there is none. Raises `DiskError`."""
        self.path = path
        with disk_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            size = os.fstat(self._descriptor).st_size
            if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
                os.write(self._descriptor, b"\n")

    def append(self, look: Look) -> None:
        """Add a line; it is on the disk when this returns. Raises `DiskError`, and leaves no half line then."""
        line = (_text(look) + "\n").encode()
        with disk_errors(self.path):
            size = os.fstat(self._descriptor).st_size
            try:
                if os.write(self._descriptor, line) != len(line):
                    raise OSError(28, "no space for the whole line")
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, size)
                raise

    def close(self) -> None:
        """Close the file; all that was added is on the disk."""
        os.close(self._descriptor)


def _text(look: Look) -> str:
    value: dict[str, object] = {"id": look.look_id, "at": look.at}
    if look.undoes is not None:
        return json.dumps(value | {"undoes": look.undoes})
    lines = [{**subject._asdict(), "answer": answer.value} for subject, answer in look.answers.items()]
    return json.dumps(value | {"view": look.view, "answers": lines})
