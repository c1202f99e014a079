"""A folder of exports: a mark in it says what each format there was written from, and whether it is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rawlabel.base.files import disk_errors, read_json, write_json
from rawlabel.errors import DataError

MARK = "rawlabel-export.json"
_UNFINISHED = re.compile(r"\..+\.[a-z0-9_]+\.part")
"""What `files.atomic_write` calls a file that it has not finished."""


def read_marks(out: Path) -> dict[str, Mapping[str, object]]:
    """What the formats in `out` were written from, by format; empty where nothing was exported."""
    path = out / MARK
    if not path.is_file():
        return {}
    marks = read_json(path, "the mark of an export")
    if not isinstance(marks, dict) or not all(isinstance(mark, dict) for mark in marks.values()):
        raise DataError(f"{path}: is not the mark of an export; choose another --out")
    return marks


@contextmanager
def export_folder(
    out: Path, name: str, made_from: Mapping[str, object], patterns: Sequence[str], *, clear: bool = True
) -> Iterator[None]:
    """Write the format `name` in this block: files under `out` that match `patterns` and no others.

    Files that an earlier call made from the same facts and settings (`made_from`) are there still; those made
    from others are removed, unless the block writes each of them anew and `clear` is False. Raises `DataError`
    when such a file is there that was not exported.
    """
    marks = read_marks(out)
    if name not in marks:
        for path in _matching(out, patterns):
            raise DataError(f"{path}: exists and is not an export of rawlabel; choose another --out")
    before = {key: value for key, value in marks.get(name, {}).items() if key != "complete"}
    if before != made_from:
        if clear and before:
            # An empty mark first: a kill between these steps must not make old files pass for new ones.
            write_json(out / MARK, {**marks, name: {}})
        with disk_errors(out):
            for path in _matching(out, patterns) if clear else []:
                path.unlink()
        write_json(out / MARK, {**marks, name: {**made_from, "complete": False}})
    _remove_unfinished(out)
    yield
    _remove_unfinished(out)
    write_json(out / MARK, {**read_marks(out), name: {**made_from, "complete": True}})


def _remove_unfinished(out: Path) -> None:
    """Delete what a killed export of any format was writing; it would travel with the folder."""
    with disk_errors(out):
        for path in _matching(out, [".*.part", "data/.*.part"]):
            if _UNFINISHED.fullmatch(path.name):
                path.unlink()


def _matching(out: Path, patterns: Sequence[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in out.glob(pattern))
