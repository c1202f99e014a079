"""Tables from strangers, read row by row: CSV, TSV and JSON lines (each also gzipped), and Parquet.

A row that cannot be read is a `Row` that says why, so that whoever counts rows loses none. Memory does not depend
on the number of rows.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from rawlabel.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_BATCH = 1000
_LONGEST_LINE = 10_000_000
"""Bytes of a line of JSON; a longer one is skipped, not read into memory."""


MOST_GROUP_BYTES = 4_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row by column, or what is wrong with it."""

    number: int
    """Counted from 1, without the line of column names."""
    values: dict[str, Any]
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
            return next(csv.reader(stream, delimiter=self._delimiter), [])

    def _refuse_huge_groups(self, metadata: Any) -> None:
        """A small file can say that it unpacks to any size."""
        for number in range(metadata.num_row_groups):
            if metadata.row_group(number).total_byte_size > MOST_GROUP_BYTES:
                raise DataError(
                    f"{self.path}: has a row group of more than {MOST_GROUP_BYTES:,} bytes; write smaller ones"
                )

    @property
    def _delimiter(self) -> str:
        return "\t" if self._kind == ".tsv" else ","

    def _binary(self) -> IO[bytes]:
        return cast("IO[bytes]", gzip.GzipFile(self.path)) if self._is_packed else self.path.open("rb")

    def _text(self) -> IO[str]:
        return io.TextIOWrapper(self._binary(), encoding="utf-8-sig", errors="replace", newline="")

    def _csv_rows(self) -> Iterator[Row]:
        with self._text() as stream:
            reader = csv.reader(stream, delimiter=self._delimiter)
            next(reader, None)
            number = 0
            while True:
                number += 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Row(number, {}, f"cannot be read ({error})")
                    continue
                if not cells:
                    number -= 1
                elif len(cells) != len(self.columns):
                    fault = f"has {len(cells)} cells in place of {len(self.columns)}"
                    yield Row(number, dict(zip(self.columns, cells, strict=False)), fault)
                else:
                    yield Row(number, dict(zip(self.columns, cells, strict=True)))

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
                yield _json_row(number, line) if is_whole else Row(number, {}, "is too long")

    def _parquet_rows(self) -> Iterator[Row]:
        import pyarrow.parquet as pq

        number = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_BATCH, columns=self.columns):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)


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
