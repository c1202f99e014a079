"""What a later run asks again, and what ends it: searches whose pages came short, hosts that refuse everything."""

from __future__ import annotations

from dataclasses import fields

from rawlabel.artifacts.catalogue.rows import QueryState
from rawlabel.artifacts.catalogue.upkeep import Upkeep
from rawlabel.records import Photo, Reason

_PHOTO_COLUMNS = ", ".join(f"photo.{field.name}" for field in fields(Photo))


class AskingAgain(Upkeep):
    """The part of a catalogue that counts how often something was asked in vain."""

    def ask_again(self, query: QueryState) -> None:
        """Open the parts of a search that came short in an earlier run, from their first pages."""
        with self._transaction() as run:
            run(
                "UPDATE part SET state = 'open', is_due = 0, repeats = repeats + 1, num_repeat_new = 0, "
                "missing_before = missing, cursor = NULL, num_listed = 0, num_barren = 0 "
                "WHERE (source, class_id, keyword) = (?, ?, ?) AND state = 'incomplete' AND is_due",
                (query.source, query.class_id, query.keyword),
            )

    def conclude_searches(self, most_repeats: int) -> None:
        """Note, at the end of a run, which parts that came short a later run asks again.

        Each is once; then as long as the last time brought something new, and `most_repeats` times at most.
        """
        with self._transaction() as run:
            run(
                "UPDATE part SET is_due = repeats = 0 OR (repeats < ? AND num_repeat_new > 0) "
                "WHERE state = 'incomplete'",
                (most_repeats,),
            )

    def note_refused(self, host: str, count: int) -> tuple[int, int]:
        """Note that a host refused all of `count` requests of a run.

        Returns the runs, and the requests in these, in which it did so since it last served something.
        """
        with self._transaction() as run:
            run(
                "INSERT INTO refusing_host (host, runs, refusals) VALUES (?, 1, ?) ON CONFLICT (host) "
                "DO UPDATE SET runs = runs + 1, refusals = refusals + excluded.refusals",
                (host, count),
            )
        [(runs, refusals)] = self._select("SELECT runs, refusals FROM refusing_host WHERE host = ?", (host,))
        return int(runs), int(refusals)

    def note_served(self, host: str) -> None:
        """Note that a host serves; what it refused in earlier runs is not counted any more."""
        with self._transaction() as run:
            run("UPDATE refusing_host SET runs = 0, refusals = 0 WHERE host = ?", (host,))

    def pending_at(self, host: str) -> list[Photo]:
        """Photos at a host (as `host` or `host:port`) whose bytes a later run would ask for."""
        passing = [str(one) for one in Reason if one.may_pass]
        rows = self._select(
            f"SELECT {_PHOTO_COLUMNS} FROM photo LEFT JOIN outcome o USING (source, photo_id) "
            "WHERE substr(photo.url, instr(photo.url, '://') + 3, ?) = ? AND (o.status IS NULL OR "
            f"o.reason IN ({', '.join('?' * len(passing))})) ORDER BY source, photo_id",
            (len(host) + 1, f"{host}/", *passing),
        )
        return [Photo(*row) for row in rows]
