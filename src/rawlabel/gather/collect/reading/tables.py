"""Tables from strangers, read row by row: CSV, TSV and JSON lines (each also gzipped), and Parquet.

A row that cannot be read is a `Row` that says why, so that whoever counts rows loses none. Memory does not depend
on the number of rows.

TSV has no quotes: a cell is what stands between two tabs. In CSV a quoted cell may hold line breaks, and so a
quote that is opened by mistake swallows the lines behind it. A cell that holds whole rows is taken for such a
mistake: its first line is one row, and reading goes on with the next line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from rawlabel.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_BATCH = 1000
_LONGEST_LINE = 10_000_000
"""Bytes of a line of JSON, characters of other lines; a longer one is skipped, not read into memory."""
_SWALLOWS = "opens a quote that it does not close"
_TOO_LONG = "is too long"
_ADDRESS = re.compile(r"(?:https?:)?//\S+", re.ASCII | re.IGNORECASE)

MOST_GROUP_BYTES = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row by column, or what is wrong with it."""

    number: int
    """Counted from 1, without the line of column names."""
    values: Mapping[str, object]
    fault: str = ""


class Table:
    """A table file; opening it reads no more than its column names."""

    def __init__(self, path: Path) -> None:
        """Raises `DataError` when the file is missing, of another kind or damaged from the start."""
        self.path = path
        name = path.name.lower()
        self._is_packed = name.endswith(".gz")
        self._kind = Path(name.removesuffix(".gz")).suffix
        if self._kind not in SUFFIXES or (self._is_packed and self._kind == ".parquet"):
            known = ", ".join(SUFFIXES)
            raise DataError(f"{path}: is no table that is read here; known: {known}, and the first three with .gz")
        with self._errors():
            self.columns = self._read_columns()

    def rows(self) -> Iterator[Row]:
        """All rows in order. Raises `DataError` when the file ends in the middle."""
        with self._errors():
            yield from {".jsonl": self._json_rows, ".parquet": self._parquet_rows}.get(
                self._kind, self._csv_rows
            )()

    def _errors(self) -> _Errors:
        return _Errors(self.path)

    def _read_columns(self) -> list[str]:
        if self._kind == ".parquet":
            import pyarrow.parquet as pq

            with pq.ParquetFile(self.path) as file:
                self._refuse_huge_groups(file.metadata)
                return [one.name for one in file.schema_arrow if not _is_bulky(one.type)]
        if self._kind == ".jsonl":
            first = next((row for row in self._json_rows() if not row.fault), None)
            return list(first.values) if first else []
        with self._text() as stream:
            lines = _Lines(stream)
            try:
                columns = next(self._reader(lines), [])
            except csv.Error:
                columns = []
        if len(lines.taken) > 1:
            raise DataError(f"{self.path}: the line of column names {_SWALLOWS}; mend that line")
        return columns

    def _refuse_huge_groups(self, metadata: Any) -> None:
        """A small file can say that it unpacks to any size."""
        for number in range(metadata.num_row_groups):
            if metadata.row_group(number).total_byte_size > MOST_GROUP_BYTES:
                raise DataError(
                    f"{self.path}: has a row group of more than {MOST_GROUP_BYTES:,} bytes; write smaller ones"
                )

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        if self._kind == ".tsv":
            return csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        # Strict: what stands behind a closing quote shows that another line's quote was closed.
        return csv.reader(lines, strict=True)

    def _binary(self) -> IO[bytes]:
        return cast("IO[bytes]", gzip.GzipFile(self.path)) if self._is_packed else self.path.open("rb")

    def _text(self) -> IO[str]:
        return io.TextIOWrapper(self._binary(), encoding="utf-8-sig", errors="replace", newline="")

    def _csv_rows(self) -> Iterator[Row]:
        with self._text() as stream:
            lines = _Lines(stream)
            reader = self._reader(lines)
            next(reader, None)
            number, before = 0, list[str]()
            while True:
                lines.taken.clear()
                cells, fault = self._next_row(lines, reader, before)
                if cells is None:
                    return
                if cells or fault:
                    number += 1
                    yield Row(number, dict(zip(self.columns, cells, strict=False)), fault)
                if not fault:
                    before = cells or before

    def _next_row(
        self, lines: _Lines, reader: Iterator[list[str]], before: list[str]
    ) -> tuple[list[str] | None, str]:
        """The cells of the next row (None at the end), and what is wrong with it; `before` is an earlier row."""
        fault = ""
        try:
            cells = next(reader, None)
        except csv.Error as error:
            cells, fault = [], f"cannot be read ({error})"
        if cells is None:
            return None, ""
        if fault and len(lines.taken) == 1 and (plain := _cells(lines.taken[0].rstrip("\r\n"))):
            cells, fault = plain, ""
        if (fault and len(lines.taken) > 1) or (not fault and self._holds_rows(lines.taken, cells, before)):
            first = lines.put_back().rstrip("\r\n")
            cells, fault = _cells(first), _SWALLOWS
            if len(cells) != len(self.columns):
                cells = _cells_without_quotes(first)
        elif lines.taken and isinstance(lines.taken[-1], _CutLine):
            fault = _TOO_LONG
        elif cells and len(cells) != len(self.columns):
            fault = f"has {len(cells)} cells in place of {len(self.columns)}"
        return cells, fault

    def _holds_rows(self, lines: Sequence[str], cells: Sequence[str], before: Sequence[str]) -> bool:
        """Whether a row of several lines has swallowed others: it lacks cells, or a line in it is a row itself.

        A line is one when it has all cells, and addresses where other rows have them.
        """
        if len(cells) != len(self.columns):
            return len(lines) > 1 or any(line.count('"') % 2 for line in lines)
        if len(lines) == 1 or len(cells) == 1:
            return False
        addresses = [at for at, cell in enumerate(before or cells) if _ADDRESS.fullmatch(cell.strip())]
        for line in lines[1:]:
            own = _cells(line)
            if len(own) == len(cells) and all(_ADDRESS.fullmatch(own[at].strip()) for at in addresses):
                return True
        return False

    def _json_rows(self) -> Iterator[Row]:
        with self._binary() as stream:
            number = 0
            while line := stream.readline(_LONGEST_LINE):
                is_whole = line.endswith(b"\n") or len(line) < _LONGEST_LINE
                while not line.endswith(b"\n") and (rest := stream.readline(_LONGEST_LINE)):
                    line = rest[-1:]
                if is_whole and not line.strip():
                    continue
                number += 1
                yield _json_row(number, line) if is_whole else Row(number, {}, _TOO_LONG)

    def _parquet_rows(self) -> Iterator[Row]:
        import pyarrow.parquet as pq

        number = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_BATCH, columns=self.columns):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)


class _CutLine(str):
    """The start of a line that is too long: its first cells say which row it was."""


class _Lines:
    """The lines of a text, of which the last ones taken can be put back."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self.taken: list[str] = []
        """What was handed out since this list was cleared."""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._read()
        if not line:
            raise StopIteration
        self.taken.append(line)
        return line

    def put_back(self) -> str:
        """Put all lines back that were taken but the first, and return that."""
        first, *rest = self.taken
        self._waiting.extendleft(reversed(rest))
        return first

    def _read(self) -> str:
        line = rest = self._stream.readline(_LONGEST_LINE)
        while len(rest) == _LONGEST_LINE and rest[-1] not in "\r\n":
            rest = self._stream.readline(_LONGEST_LINE)
        return line if line is rest else _CutLine(line[:1000].replace('"', ""))


def find_tables(path: Path) -> list[Table]:
    """The table at `path`, or all tables of a folder by name. Raises `DataError`."""
    if not path.is_dir():
        if not path.is_file():
            raise DataError(f"{path}: no such file; name a table ({', '.join(SUFFIXES)}) or a folder of tables")
        return [Table(path)]
    tables = [
        Table(file)
        for file in sorted(path.iterdir())
        if Path(file.name.lower().removesuffix(".gz")).suffix in SUFFIXES and file.name[0] not in "._"
    ]
    if not tables:
        raise DataError(f"{path}: holds no table; known: {', '.join(SUFFIXES)}")
    return tables


def column_of(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that bears the first of these names that is there, whatever its case."""
    folded = {column.casefold(): column for column in reversed(columns)}
    return next((folded[name] for name in names if name in folded), None)


def _cells(line: str) -> list[str]:
    """The cells of a line of CSV on its own; empty where it cannot be read."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _cells_without_quotes(line: str) -> list[str]:
    """The cells between the commas of a line whose quotes do not match; a doubled one is of a cell's text."""
    cells = next(csv.reader([line], quoting=csv.QUOTE_NONE), [])
    return ["" if cell == '""' else re.sub(r'"("?)', r"\1", cell) for cell in cells]


def _json_row(number: int, line: bytes) -> Row:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return Row(number, {}, "is not JSON")
    return Row(number, values) if isinstance(values, dict) else Row(number, {}, "is no JSON object")


def _is_bulky(kind: Any) -> bool:
    """Whether a column holds bytes or nested values, which no text or number is made of."""
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_nested(kind))


class _Errors:
    """Turns what readers raise for damaged files into one line that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        if isinstance(error, csv.Error | EOFError | gzip.BadGzipFile | pa.ArrowException | ValueError):
            words = " ".join(str(error).split())[:200]
            raise DataError(f"{self._path}: is damaged or no table of its kind ({words})") from error
        if isinstance(error, OSError):
            raise DataError(f"{self._path}: cannot be read ({error.strerror or error}); check the file") from error
