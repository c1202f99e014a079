"""The catalogue: facts about what photo sites returned, in one SQLite file.

Facts are added and never deleted; `schema` lists the tables. One process writes at a time; every call is one
transaction, so a killed process leaves a catalogue from which the next run goes on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import accumulate, product
from operator import attrgetter
from typing import Any

from rawlabel.artifacts.catalogue.asking_again import AskingAgain
from rawlabel.artifacts.catalogue.rows import (
    Candidate,
    Found,
    LastSeen,
    Part,
    PartState,
    QueryState,
    Standing,
    StoredObject,
)
from rawlabel.errors import DataError
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Reason, Status

__all__ = [
    "Candidate", "Catalogue", "Found", "LastSeen", "Part", "PartState", "QueryState", "Standing", "StoredObject",
]  # fmt: skip

# `dataclasses.astuple` copies every value; these take them as they are, which counts at a million rows.
_photo_row, _event_row, _outcome_row = (
    attrgetter(*(field.name for field in fields(kind))) for kind in (Photo, LabelEvent, Outcome)
)
_PHOTO_COLUMNS = ", ".join(field.name for field in fields(Photo))
_EVENT_COLUMNS = ", ".join(field.name for field in fields(LabelEvent))
_OUTCOME_COLUMNS = ", ".join(field.name for field in fields(Outcome))
_IN_ONE_STATEMENT = 500


class Catalogue(AskingAgain):
    """An open catalogue; use it as a context manager."""

    # -- classes and queries ---------------------------------------------------------------------------

    def plan(self, sources: Sequence[str], classes: Sequence[ClassSpec], *, until: int | None = None) -> None:
        """Note the classes asked for and one query for each source and keyword; `until` is kept if set before.

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
                    "INSERT INTO class (class_id, position, name, keywords, definition) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (class_id) DO UPDATE SET position = excluded.position, name = excluded.name, "
                    "keywords = excluded.keywords, definition = excluded.definition",
                    (spec.class_id, position, spec.name, _json(spec.keywords), spec.definition),
                )
                for (order, keyword), source in product(enumerate(spec.keywords), sources):
                    run(
                        "INSERT INTO query (source, class_id, keyword, position, until) VALUES (?, ?, ?, ?, ?) "
                        "ON CONFLICT (source, class_id, keyword) DO UPDATE SET position = excluded.position",
                        (source, spec.class_id, keyword, position * 10_000 + order, until),
                    )

    def classes(self) -> list[ClassSpec]:
        """The classes asked for, in the class file's order."""
        rows = self._select("SELECT class_id, name, keywords, definition FROM class ORDER BY position")
        with self._reading():
            return [ClassSpec(one, name, tuple(json.loads(words)), text) for one, name, words, text in rows]

    def queries(self, class_id: str | None = None) -> list[QueryState]:
        """All keyword searches (of one class), in the class file's order."""
        rows = self._select(
            "SELECT q.source, q.class_id, q.keyword, q.until, q.total_reported, "
            "(SELECT count(*) FROM label_event e WHERE (e.found_by, e.class_id, e.keyword) = "
            "(q.source, q.class_id, q.keyword)), count(p.name), coalesce(sum(p.pages), 0), "
            "coalesce(sum(p.state = 'open'), 0), coalesce(sum(p.state = 'truncated'), 0), "
            "coalesce(sum(p.missing), 0) "
            "FROM query q LEFT JOIN part p USING (source, class_id, keyword) WHERE ? IS NULL OR q.class_id = ? "
            "GROUP BY q.source, q.class_id, q.keyword ORDER BY q.position, q.source",
            (class_id, class_id),
        )
        states = []
        for *known, num_parts, pages, num_open, num_truncated, missing in rows:
            is_exhausted = num_parts > 0 and num_open == 0
            states.append(QueryState(*(*known, num_parts, pages, is_exhausted, num_truncated > 0, missing)))
        return states

    def parts(self, query: QueryState, state: PartState | None = None) -> list[Part]:
        """Parts of one search (in one state), in the order in which they are asked."""
        rows = self._select(
            "SELECT source, class_id, keyword, name, bounds, cursor, pages, total_reported, num_listed, "
            "num_barren, repeats, num_repeat_new, missing_before FROM part "
            "WHERE (source, class_id, keyword) = (?, ?, ?) AND (? IS NULL OR state = ?) "
            "ORDER BY name",
            (query.source, query.class_id, query.keyword, state, state),
        )
        with self._reading():
            return [Part(*(*row[:4], json.loads(row[4]), *row[5:])) for row in rows]

    def add_part(self, query: QueryState, name: str, bounds: Mapping[str, Any]) -> None:
        """Note a part that is to be searched, unless it is there already."""
        with self._transaction() as run:
            _add_part(run, query.source, query.class_id, query.keyword, name, bounds)

    def record_page(
        self,
        part: Part,
        found: Iterable[tuple[Photo, LabelEvent]],
        *,
        cursor: str | None,
        total_reported: int | None,
        state: PartState,
        num_listed: int = 0,
        judge: Callable[[int], Standing] | None = None,
        children: Iterable[tuple[str, Mapping[str, Any]]] = (),
        most_new: int | None = None,
    ) -> int | None:
        """Store one page of results, where the next one begins, and what the part became.

        `num_listed` results stood on the page. `judge` says what the part became when it hears how many photos
        were new; without it that is `state`. `children` (name, bounds) are the parts into which it is split.
        Returns how many photos were new; None when the page had more to give than `most_new`: then the rest is
        left, and the page is asked for again when more is wanted.
        """
        new, now, is_cut = 0, int(time.time()), False
        key = (part.source, part.class_id, part.keyword)
        with self._transaction() as run:
            _add_part(run, *key, part.name, part.bounds)
            for photo, event in found:
                is_cut = most_new is not None and new >= most_new
                if is_cut:
                    break
                run(_insert("photo", _PHOTO_COLUMNS, "found_at"), (*_photo_row(photo), now))
                new += run(_NEW_EVENT, (*_event_row(event), part.source, now)).rowcount
            run(
                "UPDATE query SET total_reported = coalesce(total_reported, ?) "
                "WHERE (source, class_id, keyword) = (?, ?, ?)",
                (total_reported, *key),
            )
            if is_cut:
                return None
            now_is = Standing(state) if judge is None else judge(new)
            run(
                "UPDATE part SET cursor = ?, pages = pages + 1, state = ?, missing = ?, num_barren = ?, "
                "num_listed = num_listed + ?, total_reported = coalesce(total_reported, ?), "
                "num_repeat_new = num_repeat_new + ? "
                "WHERE (source, class_id, keyword, name) = (?, ?, ?, ?)",
                (
                    cursor,
                    now_is.state,
                    now_is.missing,
                    now_is.num_barren,
                    num_listed,
                    total_reported,
                    new if part.repeats else 0,
                    *key,
                    part.name,
                ),
            )
            for name, bounds in children:
                _add_part(run, *key, name, bounds)
        return new

    def record_received(
        self,
        part: Part,
        found: Iterable[tuple[Photo, LabelEvent]],
        *,
        searched_at: int | None,
        found_at: int | None,
    ) -> None:
        """Store what another project's search returned, with the times at which it did."""
        with self._transaction() as run:
            _add_part(run, part.source, part.class_id, part.keyword, part.name, part.bounds)
            for photo, event in found:
                run(_insert("photo", _PHOTO_COLUMNS, "found_at"), (*_photo_row(photo), found_at))
                run(_NEW_EVENT, (*_event_row(event), part.source, searched_at))

    def leave_part(self, part: Part, state: PartState) -> None:
        """Note what a part became without another page."""
        with self._transaction() as run:
            run(
                "UPDATE part SET state = ? WHERE (source, class_id, keyword, name) = (?, ?, ?, ?)",
                (state, part.source, part.class_id, part.keyword, part.name),
            )

    def median_upload(self, part: Part, earliest: int, latest: int) -> int | None:
        """Median upload time, in a span, of the photos that this source has shown for the class; None without any.

        Only the class's own photos count, since the classes are searched side by side: what others have found by
        now depends on how fast they were.
        """
        rows = self._select(
            "SELECT p.uploaded_at FROM label_event e JOIN photo p USING (source, photo_id) WHERE e.class_id = ? "
            "AND e.source = ? AND p.uploaded_at BETWEEN ? AND ? ORDER BY 1",
            (part.class_id, part.source, earliest, latest),
        )
        return int(rows[len(rows) // 2][0]) if rows else None

    # -- the budget of API calls -----------------------------------------------------------------------

    def record_call(self, source: str, at: float) -> None:
        """Note that a source's API was asked at this time [seconds since 1970]."""
        with self._transaction() as run:
            run("INSERT INTO api_call VALUES (?, ?)", (source, at))

    def calls_since(self, source: str, earliest: float) -> list[float]:
        """When a source's API was asked since `earliest`; earlier calls are forgotten.

        So are those in the future, which were counted before the clock was set back.
        """
        with self._transaction() as run:
            run(
                "DELETE FROM api_call WHERE source = ? AND (called_at < ? OR called_at > ?)",
                (source, earliest, time.time()),
            )
        rows = self._select("SELECT called_at FROM api_call WHERE source = ? ORDER BY 1", (source,))
        return [row[0] for row in rows]

    # -- downloads -------------------------------------------------------------------------------------

    def found(self, class_id: str, after: int = 0) -> Iterator[Found]:
        """Photos of a class in the order of finding, from behind position `after`; one for each label event."""
        columns = ", ".join(f"p.{field.name}" for field in fields(Photo))
        rows = self._each(
            f"SELECT {columns}, e.rowid, o.status, o.reason, o.pixel_sha256, "
            "min(o.width, o.height), o.http_status, s.reason "
            "FROM label_event e JOIN photo p USING (source, photo_id) "
            "LEFT JOIN outcome o USING (source, photo_id) LEFT JOIN last_presence s USING (source, photo_id) "
            "WHERE e.class_id = ? AND e.rowid > ? ORDER BY e.rowid",
            (class_id, after),
        )
        with self._reading():
            for *photo, position, status, reason, pixels, side, http_status, barred in rows:
                state, why = (Status.FAILED, barred) if barred else (status or Status.FOUND, reason)
                why = Reason(why) if why else None
                known = Status(state), why, pixels, side or 0, http_status is not None
                yield Found(position, Photo(*photo), *known)

    def unasked(self, after: tuple[str, str] = ("", ""), most: int = 1000) -> list[Photo]:
        """Up to `most` photos without any outcome, by source and id, from behind `after`."""
        rows = self._select(
            f"SELECT {_PHOTO_COLUMNS} FROM photo WHERE (source, photo_id) > (?, ?) AND NOT EXISTS (SELECT 1 FROM "
            "outcome o WHERE (o.source, o.photo_id) = (photo.source, photo.photo_id)) "
            "ORDER BY source, photo_id LIMIT ?",
            (*after, most),
        )
        return [Photo(*row) for row in rows]

    def photos(self, keys: Sequence[tuple[str, str]]) -> list[Photo]:
        """What is known of these photos (source, id), in their order."""
        found = {}
        for start in range(0, len(keys), _IN_ONE_STATEMENT):
            some = keys[start : start + _IN_ONE_STATEMENT]
            marks = ", ".join("(?, ?)" for _ in some)
            statement = f"SELECT {_PHOTO_COLUMNS} FROM photo WHERE (source, photo_id) IN (VALUES {marks})"
            for row in self._select(statement, [value for key in some for value in key]):
                found[row[0], row[1]] = Photo(*row)
        return [found[key] for key in keys if key in found]

    def is_fetched_elsewhere(self, photo: Photo) -> bool:
        """Whether the same photo was fetched from another source, or under another of its ids."""
        rows = self._select(
            "SELECT 1 FROM photo JOIN outcome USING (source, photo_id) WHERE status = 'fetched' "
            "AND (origin = ? OR source || ':' || photo_id = ?) AND (source, photo_id) <> (?, ?) LIMIT 1",
            (photo.identity, photo.identity, photo.source, photo.photo_id),
        )
        return bool(rows)

    def record_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Store what became of some downloads; a later outcome of a photo replaces an earlier one."""
        updates = ", ".join(f"{name} = excluded.{name}" for name in _OUTCOME_COLUMNS.split(", ")[2:-1])
        with self._transaction() as run:
            for outcome in outcomes:
                run(
                    f"INSERT INTO outcome ({_OUTCOME_COLUMNS}, recorded_at) "
                    f"VALUES ({', '.join('?' * len(fields(Outcome)))}, ?) ON CONFLICT (source, photo_id) "
                    f"DO UPDATE SET {updates}, attempts = attempts + excluded.attempts, "
                    "recorded_at = excluded.recorded_at",
                    (*_outcome_row(outcome), int(time.time())),
                )

    def outcomes(self, photos: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Outcome]:
        """What became of the downloads of these photos (source, id); those not tried yet are left out."""
        found = {}
        for start in range(0, len(photos), _IN_ONE_STATEMENT):
            some = photos[start : start + _IN_ONE_STATEMENT]
            marks = ", ".join("(?, ?)" for _ in some)
            rows = self._select(
                f"SELECT {_OUTCOME_COLUMNS} FROM outcome WHERE (source, photo_id) IN (VALUES {marks})",
                [value for key in some for value in key],
            )
            with self._reading():
                for source, photo_id, status, reason, *rest in rows:
                    why = Reason(reason) if reason else None
                    found[source, photo_id] = Outcome(source, photo_id, Status(status), why, *rest)
        return found

    # -- reading ---------------------------------------------------------------------------------------

    def candidates(self) -> Iterator[Candidate]:
        """Every label event with its photo and outcome, by class, keyword, source, part and rank."""
        kinds = ((LabelEvent, "e"), (Photo, "p"), (Outcome, "o"))
        columns = ", ".join(f"{table}.{field.name}" for kind, table in kinds for field in fields(kind))
        rows = self._each(
            f"SELECT {columns}, coalesce(part.bounds, nullif(e.part, ''), '{{}}'), e.searched_at, p.found_at, "
            "CASE o.status WHEN 'fetched' THEN o.recorded_at END, "
            "s.is_there, s.license_name, s.license_url, s.reason, s.asked_at FROM label_event e "
            "JOIN photo p USING (source, photo_id) LEFT JOIN outcome o USING (source, photo_id) "
            "LEFT JOIN last_presence s USING (source, photo_id) "
            "JOIN query q ON (q.source, q.class_id, q.keyword) = (e.found_by, e.class_id, e.keyword) "
            "LEFT JOIN part ON (part.source, part.class_id, part.keyword, part.name) = "
            "(e.found_by, e.class_id, e.keyword, e.part) "
            "ORDER BY q.position, e.source, e.part, e.rank, e.photo_id"
        )
        ends = tuple(accumulate(len(fields(kind)) for kind, _ in kinds))
        with self._reading():
            for row in rows:
                event, photo = LabelEvent(*row[: ends[0]]), Photo(*row[ends[0] : ends[1]])
                _, _, status, reason, *measured, attempts = row[ends[1] : ends[2]]
                state = Status(status or Status.FOUND), Reason(reason) if reason else None
                outcome = Outcome(*(photo.source, photo.photo_id, *state, *measured, attempts or 0))
                bounds, searched_at, found_at, fetched_at, *seen = row[ends[2] :]
                last_seen = _last_seen(photo, seen)
                yield Candidate(event, photo, outcome, bounds, searched_at, found_at, fetched_at, last_seen)

    def counts(self) -> dict[str, int]:
        """Counts for people: label events, photos, and photos fetched, pending, and not fetched by reason."""
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
            ("class", "class_id, position, name, keywords, definition"),
            ("query", "source, class_id, keyword, total_reported"),
            ("part", "source, class_id, keyword, name, bounds, state, cursor, pages, total_reported"),
            ("photo", _PHOTO_COLUMNS),
            ("label_event", _EVENT_COLUMNS),
            ("outcome", _OUTCOME_COLUMNS.removesuffix(", attempts")),
            ("last_presence", "source, photo_id, is_there, license_name, license_url, reason"),
        ):
            digest.update(table.encode())
            statement = f"SELECT {columns} FROM {table} ORDER BY {columns}"
            for row in self._each(statement):
                digest.update(json.dumps(row, ensure_ascii=False).encode())
        return digest.hexdigest()


def _insert(table: str, columns: str, clock: str) -> str:
    marks = ", ".join("?" * (columns.count(",") + 2))
    return f"INSERT OR IGNORE INTO {table} ({columns}, {clock}) VALUES ({marks})"


def _add_part(run: Any, source: str, class_id: str, keyword: str, name: str, bounds: Mapping[str, Any]) -> None:
    run(
        "INSERT OR IGNORE INTO part (source, class_id, keyword, name, bounds, state) "
        "VALUES (?, ?, ?, ?, ?, 'open')",
        (source, class_id, keyword, name, _json(bounds)),
    )


def _last_seen(photo: Photo, row: Sequence[Any]) -> LastSeen | None:
    is_there, name, url, reason, asked_at = row
    if asked_at is None:
        return None
    why = Reason(reason) if reason else None
    return LastSeen(photo.source, photo.photo_id, bool(is_there), name, url, why, asked_at)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


_NEW_EVENT = _insert("label_event", f"{_EVENT_COLUMNS}, found_by", "searched_at")
