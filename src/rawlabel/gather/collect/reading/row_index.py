"""Photos of a table by what they are found under, in a file that the system deletes: memory stays flat."""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import islice
from operator import attrgetter

from rawlabel.records import Photo

_BATCH = 2000
_values = attrgetter(*(field.name for field in fields(Photo)))


class RowIndex:
    """Rows of a table; each may be found under several keys."""

    def __init__(self) -> None:
        # An empty name makes a temporary database that spills to the disk.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
            "CREATE TABLE entry (key TEXT, row INTEGER, place TEXT, photo TEXT, PRIMARY KEY (key, row)) "
            "WITHOUT ROWID; "
            "CREATE TABLE label (photo TEXT, name TEXT, PRIMARY KEY (photo, name)) WITHOUT ROWID;"
        )

    def fill(self, entries: Iterable[tuple[str, int, Photo, tuple[int, str] | None]]) -> None:
        """Add entries: key, number of the row, photo, and the rank and part that the row states."""
        rows = ((key, row, json.dumps(place), json.dumps(_values(photo))) for key, row, photo, place in entries)
        self._insert("INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?)", rows)

    def add_labels(self, labels: Iterable[tuple[str, str]]) -> None:
        """Note names of photos (photo id, name) that stand in a table of their own."""
        self._insert("INSERT OR IGNORE INTO label VALUES (?, ?)", labels)

    def labels(self, photo_id: str) -> list[str]:
        """The names noted for the photo of this id, in the order of noting; empty where there is none."""
        return [row[0] for row in self._connection.execute("SELECT name FROM label WHERE photo = ?", (photo_id,))]

    def count(self, keys: Iterable[str]) -> int:
        """How many rows are found under these keys."""
        counted = "SELECT count(*) FROM entry WHERE key = ?"
        return sum(self._connection.execute(counted, (key,)).fetchone()[0] for key in keys)

    def page(self, keys: Iterable[str], after: int, most: int) -> list[tuple[int, Photo, tuple[int, str] | None]]:
        """Up to `most` rows found under any of the keys, from behind row `after`, in order."""
        asked = list(keys)
        marks = ", ".join("?" * len(asked))
        rows = self._connection.execute(
            f"SELECT row, photo, place FROM entry WHERE key IN ({marks}) AND row > ? "
            "GROUP BY row ORDER BY row LIMIT ?",
            (*asked, after, most),
        )
        found = []
        for row, photo, place in rows:
            stated = json.loads(place)
            found.append((row, Photo(*json.loads(photo)), tuple(stated) if stated else None))
        return found

    def _insert(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        iterator: Iterator[tuple[object, ...]] = iter(rows)
        while batch := list(islice(iterator, _BATCH)):
            self._connection.execute("BEGIN")
            self._connection.executemany(statement, batch)
            self._connection.execute("COMMIT")
