"""An open SQLite file: transactions, versions of its tables, and faults as one line."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rawlabel.artifacts.catalogue.schema import MIGRATIONS
from rawlabel.errors import DataError, DiskError


class Database:
    """The file behind a catalogue; use it as a context manager."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open `path`; with `create`, make it when absent. Raises `DataError` or `DiskError`."""
        self.path = path
        if not create and not path.is_file():
            raise DataError(f"{path}: no catalogue here; run `rawlabel collect` first or check --project")
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute("PRAGMA foreign_keys = ON")
                self._migrate()
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection.execute
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()

    def _migrate(self) -> None:
        done = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if done > len(MIGRATIONS):
            raise DataError(f"{self.path}: was written by a newer rawlabel; update this one")
        for version, (_, script) in enumerate(MIGRATIONS[done:], start=done + 1):
            self._connection.executescript(f"BEGIN; {script} PRAGMA user_version = {version}; COMMIT;")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DiskError(f"{self.path}: cannot be written ({error.strerror}); check the folder") from error
        except sqlite3.OperationalError as error:
            text = str(error)
            if "full" in text or "disk I/O" in text:
                message = "the disk is full; free some space and run the same command again"
            elif "locked" in text:
                message = "another rawlabel process is writing it; wait for that one or stop it"
            else:
                message = f"cannot be used ({text}); check the folder and its permissions"
            raise DiskError(f"{self.path}: {message}") from error
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self.path}: is not a catalogue ({error}); move it away and collect again"
            ) from error
