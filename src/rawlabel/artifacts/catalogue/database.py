"""An open SQLite file: transactions, versions of its tables, and faults as one line."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from rawlabel.artifacts.catalogue.schema import MIGRATIONS
from rawlabel.artifacts.project import refuse_run
from rawlabel.base.files import locked
from rawlabel.errors import DataError, DiskError, RawlabelError

_WAITS = 10.0
"""Seconds that one statement waits for another process."""
_BUSY = "another rawlabel process is writing it; wait for that one or stop it"
_DAMAGED = "put back a copy of it, or move it away and collect again"
_FULL = "the disk is full; free some space and run the same command again"
_MESSAGES = {
    "SQLITE_FULL": _FULL,
    # What SQLite says of a quota or a largest size of files, in the file itself and in what it maps beside it.
    "SQLITE_IOERR_WRITE": _FULL,
    "SQLITE_IOERR_SHMSIZE": _FULL,
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_READONLY": "may not be written; check the folder and its permissions",
}


class Database:
    """The file behind a catalogue; use it as a context manager."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open `path`; with `create`, make it when absent, and keep others out who ask for that at the same time.

        One that may not be written is read all the same. Raises `DataError` or `DiskError`.
        """
        self.path = path
        if not create and not path.is_file():
            refuse_run(path.parent)
            raise DataError(f"{path}: no catalogue here; run `rawlabel collect` first or check --project")
        with ExitStack() as stack, self._errors():
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
                if not stack.enter_context(locked(path.with_name(f".{path.name}.lock"))):
                    raise DiskError(f"{path}: {_BUSY}")
            if create or all(os.access(one, os.W_OK) for one in (path, path.parent)):
                self._connection = self._opened(stack, path)
            else:
                self._connection = self._opened_for_reading(stack)
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if isinstance(value, Exception) and not isinstance(value, RawlabelError) and self._is_damaged():
                # Whatever it was, values that are none of ours may well have brought it about.
                raise DataError(f"{self.path}: is damaged; {_DAMAGED}") from value

    def faults(self) -> list[str]:
        """What SQLite finds wrong with the file itself (https://sqlite.org/pragma.html#pragma_quick_check)."""
        try:
            rows = self._connection.execute("PRAGMA quick_check").fetchall()
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [str(row[0]) for row in rows if row[0] != "ok"]

    def _is_damaged(self) -> bool:
        return bool(self.faults())

    def _opened(self, stack: ExitStack, path: Path) -> sqlite3.Connection:
        # One thread at a time uses it; in a notebook, that of the event loop, while the caller waits.
        connection = sqlite3.connect(path, isolation_level=None, timeout=_WAITS, check_same_thread=False)
        stack.callback(connection.close)
        _keep_a_log(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        self._migrate(connection)
        return connection

    def _opened_for_reading(self, stack: ExitStack) -> sqlite3.Connection:
        """Without a file beside it that SQLite could not make; what needs one is read from a copy."""
        log = self.path.with_name(f"{self.path.name}-wal")
        if not (log.is_file() and log.stat().st_size):
            address = f"file:{quote(str(self.path.absolute()))}?mode=ro&immutable=1"
            connection = sqlite3.connect(address, uri=True, isolation_level=None)
            stack.callback(connection.close)
            if _version(connection) >= len(MIGRATIONS):
                self._refuse_newer(connection)
                return connection
        folder = Path(stack.enter_context(TemporaryDirectory()))
        for one in (self.path, log):
            if one.is_file():
                shutil.copyfile(one, folder / one.name)
        connection = self._opened(stack, folder / self.path.name)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._connection.execute(statement, values).fetchall()

    def _each(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows one by one, so that memory stays flat."""
        with self._errors():
            yield from self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._errors(), _transaction(self._connection):
            yield self._connection.execute

    def _migrate(self, connection: sqlite3.Connection) -> None:
        if _version(connection) == len(MIGRATIONS):
            return
        with _transaction(connection):
            # Asked again: another process may have been faster.
            self._refuse_newer(connection)
            for version, (_, script) in enumerate(MIGRATIONS[_version(connection) :], _version(connection) + 1):
                # One by one, since a script would end the transaction first.
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version}")

    def _refuse_newer(self, connection: sqlite3.Connection) -> None:
        if _version(connection) > len(MIGRATIONS):
            raise DataError(f"{self.path}: was written by a newer rawlabel; update this one")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """For the block, values that are none of ours mean that the file is damaged."""
        try:
            with self._errors():
                yield
        except (ValueError, TypeError) as error:
            raise DataError(f"{self.path}: is damaged (holds {error}); {_DAMAGED}") from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DiskError(f"{self.path}: cannot be written ({error.strerror}); check the folder") from error
        except sqlite3.DatabaseError as error:
            raise self._in_words(error) from error

    def _in_words(self, error: sqlite3.DatabaseError) -> RawlabelError:
        name = getattr(error, "sqlite_errorname", "SQLITE_CORRUPT" if "decode" in str(error) else "")
        text = " ".join(str(error).split())[:200]
        for start, message in _MESSAGES.items():
            if name.startswith(start):
                return DiskError(f"{self.path}: {message}")
        if name.startswith("SQLITE_CORRUPT"):
            return DataError(f"{self.path}: is damaged ({text}); {_DAMAGED}")
        if name.startswith("SQLITE_NOTADB") or "no such" in text:
            return DataError(f"{self.path}: is not a catalogue ({text}); move it away and collect again")
        if name.startswith("SQLITE_IOERR"):
            return DiskError(f"{self.path}: cannot be read or written ({text}); check the disk and its free space")
        return DiskError(f"{self.path}: cannot be used ({text}); check the folder and its permissions")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on. Of several who do that at once SQLite refuses all but one without waiting, for
    each holds what another needs (https://sqlite.org/c3ref/busy_handler.html)."""
    deadline = time.monotonic() + _WAITS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
