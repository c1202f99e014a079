"""Facts that come after collecting: which files should be stored, and which photos their sites still have."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import fields

from rawlabel.artifacts.catalogue.database import Database
from rawlabel.artifacts.catalogue.rows import LastSeen, StoredObject
from rawlabel.records import Outcome, Reason, Status


class Upkeep(Database):
    """The part of a catalogue that verify, rebuild and prune need."""

    def stored_objects(self, prefix: str) -> list[StoredObject]:
        """The files that should be stored whose SHA-256 begins with `prefix`, in order."""
        rows = self._select(
            "SELECT o.stored_sha256, min(coalesce(o.media_type, '')), "
            "min(CASE o.sha256 WHEN o.stored_sha256 THEN o.pixel_sha256 END), "
            "max(CASE o.sha256 WHEN o.stored_sha256 THEN o.pixel_sha256 END), "
            "min(coalesce(s.reason, '') = 'taken_down') "
            "FROM outcome o LEFT JOIN last_presence s USING (source, photo_id) "
            "WHERE o.status = 'fetched' AND o.stored_sha256 >= ? AND o.stored_sha256 < ? GROUP BY 1 ORDER BY 1",
            # `g` comes after every hex digit.
            (prefix, prefix + "g"),
        )
        return [
            StoredObject(digest, media_type, frozenset(one for one in pixels if one), bool(is_taken_down))
            for digest, media_type, *pixels, is_taken_down in rows
        ]

    def num_stored_objects(self) -> int:
        """How many different files should be stored."""
        rows = self._select("SELECT count(DISTINCT stored_sha256) FROM outcome WHERE status = 'fetched'")
        return int(rows[0][0])

    def photos_of_object(self, stored_sha256: str) -> list[tuple[str, str]]:
        """Source and id of the photos that a stored file belongs to."""
        rows = self._select(
            "SELECT source, photo_id FROM outcome WHERE stored_sha256 = ? AND status = 'fetched' ORDER BY 1, 2",
            (stored_sha256,),
        )
        return [(source, photo_id) for source, photo_id in rows]

    def failed_addresses(self) -> Iterator[tuple[str | None, Reason, int | None]]:
        """Address, reason and HTTP status of each download that failed."""
        rows = self._connection.execute(
            "SELECT url, reason, http_status FROM outcome JOIN photo USING (source, photo_id) "
            "WHERE status = 'failed' AND reason IS NOT NULL"
        )
        return ((url, Reason(reason), status) for url, reason, status in rows)

    def sizes(self, most: int) -> list[tuple[int, int]]:
        """Stated width and height [pixels] of up to `most` photos."""
        rows = self._select("SELECT width, height FROM photo WHERE width > 0 AND height > 0 LIMIT ?", (most,))
        return [(row[0], row[1]) for row in rows]

    def forget(self, digests: Iterable[str]) -> int:
        """Note the photos of these stored files as not downloaded; return how many photos they are."""
        columns = (field.name for field in fields(Outcome)[4:-1])
        measured = ", ".join(f"{name} = NULL" for name in columns)
        num_photos = 0
        with self._transaction() as run:
            for digest in digests:
                num_photos += run(
                    f"UPDATE outcome SET status = ?, reason = ?, {measured} WHERE stored_sha256 = ?",
                    (Status.FOUND, Reason.NOT_FETCHED, digest),
                ).rowcount
        return num_photos

    def record_presence(self, answers: Iterable[LastSeen]) -> None:
        """Add what sites answered just now; earlier answers stay."""
        now = int(time.time())
        with self._transaction() as run:
            for one in answers:
                run(
                    "INSERT OR REPLACE INTO presence "
                    "(source, photo_id, asked_at, is_there, license_name, license_url, reason) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (one.source, one.photo_id, now, one.is_there, one.license_name, one.license_url, one.reason),
                )

    def presence(self, source: str, earliest: float = 0) -> dict[str, LastSeen]:
        """The newest answer about each photo of a source, by photo id; not those from before `earliest`."""
        rows = self._select(
            "SELECT photo_id, is_there, license_name, license_url, reason, asked_at FROM last_presence "
            "WHERE source = ? AND asked_at >= ?",
            (source, earliest),
        )
        found = {}
        with self._reading():
            for photo_id, is_there, name, url, reason, asked_at in rows:
                why = Reason(reason) if reason else None
                found[photo_id] = LastSeen(source, photo_id, bool(is_there), name, url, why, asked_at)
        return found

    def objects_taken_down(self) -> list[tuple[str, str]]:
        """SHA-256 and media type of the stored files all of whose photos were taken down."""
        rows = self._select(
            "SELECT o.stored_sha256, min(coalesce(o.media_type, '')) FROM outcome o "
            "LEFT JOIN last_presence s USING (source, photo_id) "
            "WHERE o.status = 'fetched' AND o.stored_sha256 IN ("
            "SELECT stored_sha256 FROM outcome JOIN last_presence USING (source, photo_id) "
            "WHERE last_presence.reason = 'taken_down') GROUP BY 1 "
            "HAVING min(coalesce(s.reason, '') = 'taken_down') ORDER BY 1"
        )
        return [(digest, media_type) for digest, media_type in rows]
