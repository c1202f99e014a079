"""The catalogue: facts about what photo sites returned, in one SQLite file.

Facts are added and never deleted. Tables: `class` (what was asked), `query` (one keyword search and how far
it got), `photo` (one object of one site), `label_event` (a search returned a photo), `outcome` (what became
of its download). One process writes at a time; every call is one transaction, so a killed process leaves a
catalogue from which the next run goes on.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rawlabel.errors import DataError, DiskError
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Reason, Status

# Append only: a catalogue made by an older version is brought up to date step by step.
MIGRATIONS: tuple[tuple[str, str], ...] = (
    (
        "first tables",
        """
        CREATE TABLE class (
            class_id TEXT PRIMARY KEY, position INTEGER NOT NULL, name TEXT NOT NULL, keywords TEXT NOT NULL
        );
        CREATE TABLE query (
            source TEXT NOT NULL, class_id TEXT NOT NULL REFERENCES class, keyword TEXT NOT NULL,
            position INTEGER NOT NULL, cursor TEXT, total_reported INTEGER, exhausted INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (source, class_id, keyword)
        );
        CREATE TABLE photo (
            source TEXT NOT NULL, photo_id TEXT NOT NULL, url TEXT, page_url TEXT, title TEXT NOT NULL,
            tags TEXT NOT NULL, author TEXT NOT NULL, author_id TEXT NOT NULL, license_id TEXT NOT NULL,
            license_name TEXT NOT NULL, license_url TEXT NOT NULL, uploaded_at INTEGER, taken_at TEXT,
            width INTEGER, height INTEGER,
            PRIMARY KEY (source, photo_id)
        );
        CREATE TABLE label_event (
            source TEXT NOT NULL, photo_id TEXT NOT NULL, class_id TEXT NOT NULL, keyword TEXT NOT NULL,
            rank INTEGER NOT NULL,
            PRIMARY KEY (source, photo_id, class_id, keyword),
            FOREIGN KEY (source, photo_id) REFERENCES photo
        );
        CREATE INDEX label_event_by_query ON label_event (source, class_id, keyword, rank);
        CREATE TABLE outcome (
            source TEXT NOT NULL, photo_id TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
            http_status INTEGER, final_url TEXT, sha256 TEXT, num_bytes INTEGER, media_type TEXT,
            recorded_at INTEGER NOT NULL,
            PRIMARY KEY (source, photo_id),
            FOREIGN KEY (source, photo_id) REFERENCES photo
        );
        """,
    ),
)

# Faults that may pass: a later run asks again. All other failures are final.
TRANSIENT = (Reason.HTTP_ERROR, Reason.TIMEOUT)

_PHOTO_COLUMNS = ", ".join(field.name for field in fields(Photo))
_OUTCOME_COLUMNS = ", ".join(field.name for field in fields(Outcome))


@dataclass(frozen=True, slots=True)
class QueryState:
    """How far one keyword search got."""

    source: str
    class_id: str
    keyword: str
    cursor: str | None
    """Where the next page begins, in the source's own words; None before the first page."""
    total_reported: int | None
    exhausted: bool
    num_events: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One label event with all that is known about its photo."""

    event: LabelEvent
    photo: Photo
    outcome: Outcome


class Catalogue:
    """An open catalogue; use it as a context manager."""

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

    # -- classes and queries ---------------------------------------------------------------------------

    def plan(self, source: str, classes: Sequence[ClassSpec]) -> None:
        """Note the classes asked for and one query for each of their keywords.

        Raises `DataError` when the catalogue holds a class that is not asked for any more: facts are not
        dropped, so another class list needs another project.
        """
        wanted = {spec.class_id for spec in classes}
        lost = [spec.class_id for spec in self.classes() if spec.class_id not in wanted]
        if lost:
            raise DataError(
                f"{self.path}: was collected for class '{lost[0]}', which the class file does not list; "
                "choose another --project or put the class back"
            )
        with self._transaction() as run:
            for position, spec in enumerate(classes):
                run(
                    "INSERT INTO class VALUES (?, ?, ?, ?) ON CONFLICT (class_id) DO UPDATE SET "
                    "position = excluded.position, name = excluded.name, keywords = excluded.keywords",
                    (spec.class_id, position, spec.name, json.dumps(spec.keywords, ensure_ascii=False)),
                )
                for order, keyword in enumerate(spec.keywords):
                    run(
                        "INSERT INTO query (source, class_id, keyword, position) VALUES (?, ?, ?, ?) "
                        "ON CONFLICT (source, class_id, keyword) DO UPDATE SET position = excluded.position",
                        (source, spec.class_id, keyword, position * 10_000 + order),
                    )

    def classes(self) -> list[ClassSpec]:
        """The classes asked for, in the class file's order."""
        rows = self._select("SELECT class_id, name, keywords FROM class ORDER BY position")
        return [ClassSpec(class_id, name, tuple(json.loads(words))) for class_id, name, words in rows]

    def queries(self, source: str | None = None) -> list[QueryState]:
        """All keyword searches, in the class file's order."""
        rows = self._select(
            "SELECT q.source, q.class_id, q.keyword, q.cursor, q.total_reported, q.exhausted, "
            "(SELECT count(*) FROM label_event e WHERE (e.source, e.class_id, e.keyword) = "
            "(q.source, q.class_id, q.keyword)) FROM query q WHERE ? IS NULL OR q.source = ? "
            "ORDER BY q.position, q.source",
            (source, source),
        )
        return [QueryState(a, b, c, d, e, bool(f), g) for a, b, c, d, e, f, g in rows]

    def record_page(
        self,
        query: QueryState,
        found: Iterable[tuple[Photo, LabelEvent]],
        *,
        cursor: str | None,
        total_reported: int | None,
        exhausted: bool,
    ) -> int:
        """Store one page of search results and where the next page begins; return how many were new."""
        new = 0
        with self._transaction() as run:
            for photo, event in found:
                run(_insert("photo", _PHOTO_COLUMNS), astuple(photo))
                new += run("INSERT OR IGNORE INTO label_event VALUES (?, ?, ?, ?, ?)", astuple(event)).rowcount
            run(
                "UPDATE query SET cursor = ?, total_reported = coalesce(total_reported, ?), exhausted = ? "
                "WHERE (source, class_id, keyword) = (?, ?, ?)",
                (cursor, total_reported, exhausted, query.source, query.class_id, query.keyword),
            )
        return new

    # -- downloads -------------------------------------------------------------------------------------

    def pending(self) -> list[Photo]:
        """Photos whose bytes have not been asked for, or whose last try met a passing fault."""
        marks = ", ".join("?" * len(TRANSIENT))
        rows = self._select(
            f"SELECT {_PHOTO_COLUMNS} FROM photo LEFT JOIN outcome USING (source, photo_id) "
            f"WHERE outcome.status IS NULL OR outcome.reason IN ({marks}) ORDER BY photo.rowid",
            TRANSIENT,
        )
        return [Photo(*row) for row in rows]

    def record_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Store what became of some downloads; a later outcome of a photo replaces an earlier one."""
        with self._transaction() as run:
            for outcome in outcomes:
                run(
                    f"INSERT OR REPLACE INTO outcome ({_OUTCOME_COLUMNS}, recorded_at) "
                    f"VALUES ({', '.join('?' * len(fields(Outcome)))}, ?)",
                    (*astuple(outcome), int(time.time())),
                )

    # -- reading ---------------------------------------------------------------------------------------

    def candidates(self) -> Iterator[Candidate]:
        """Every label event with its photo and outcome, by class, keyword and rank."""
        event_columns = ", ".join(f"e.{field.name}" for field in fields(LabelEvent))
        photo_columns = ", ".join(f"p.{field.name}" for field in fields(Photo))
        outcome_columns = ", ".join(f"o.{field.name}" for field in fields(Outcome)[2:])
        rows = self._connection.execute(
            f"SELECT {event_columns}, {photo_columns}, {outcome_columns} FROM label_event e "
            "JOIN photo p USING (source, photo_id) LEFT JOIN outcome o USING (source, photo_id) "
            "JOIN query q USING (source, class_id, keyword) "
            "ORDER BY q.position, e.rank, e.source, e.photo_id"
        )
        split = len(fields(LabelEvent)), len(fields(LabelEvent)) + len(fields(Photo))
        for row in rows:
            event, photo, rest = LabelEvent(*row[: split[0]]), Photo(*row[split[0] : split[1]]), row[split[1] :]
            status, reason = Status(rest[0] or Status.FOUND), Reason(rest[1]) if rest[1] else None
            yield Candidate(event, photo, Outcome(photo.source, photo.photo_id, status, reason, *rest[2:]))

    def counts(self) -> dict[str, int]:
        """Counts for people: label events, photos, photos fetched, pending, and failed by reason."""
        one = [self._select(f"SELECT count(*) FROM {table}")[0][0] for table in ("label_event", "photo")]
        by_reason: Counter[str] = Counter()
        fetched = 0
        for status, reason, count in self._select("SELECT status, reason, count(*) FROM outcome GROUP BY 1, 2"):
            if status == Status.FETCHED:
                fetched += count
            else:
                by_reason[reason] += count
        pending = one[1] - fetched - by_reason.total()
        return {"label_events": one[0], "photos": one[1], "fetched": fetched, "pending": pending, **by_reason}

    def fingerprint(self) -> str:
        """SHA-256 (hex) of all facts but the clock: equal for equal collections, however often interrupted."""
        digest = hashlib.sha256()
        for table, columns in (
            ("class", "class_id, position, name, keywords"),
            ("query", "source, class_id, keyword, cursor, total_reported, exhausted"),
            ("photo", _PHOTO_COLUMNS),
            ("label_event", "source, photo_id, class_id, keyword, rank"),
            ("outcome", _OUTCOME_COLUMNS),
        ):
            digest.update(table.encode())
            for row in sorted(self._select(f"SELECT {columns} FROM {table}"), key=repr):
                digest.update(json.dumps(row, ensure_ascii=False).encode())
        return digest.hexdigest()

    # -- plumbing --------------------------------------------------------------------------------------

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


def _insert(table: str, columns: str) -> str:
    return f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({', '.join('?' * (columns.count(',') + 1))})"
