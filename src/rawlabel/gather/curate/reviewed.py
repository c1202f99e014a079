"""Leave out the photos that a person wants left out, and count what became of each answer. No label is edited."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from rawlabel.artifacts.decision import Decision
from rawlabel.artifacts.photo_names import export_stem
from rawlabel.artifacts.review.answers import Answer
from rawlabel.artifacts.review.reviewed import Reviewed
from rawlabel.errors import DataError
from rawlabel.gather.curate.answer_lists import AnswerLists, Entry
from rawlabel.records import Reason

_DIGEST = re.compile(r"[0-9a-f]{64}")


_MOST = 0.5
"""Share of the kept photos up to which a list is believed that does not say what it is a list of."""


def drop_reviewed(decisions: list[Decision], lists: AnswerLists, may_drop_most: bool = False) -> Reviewed:
    """Reject, in place, what the lists say to drop, for the reason `reviewed`, and say what came of the entries.

    Of several entries about one label event the last one counts. Photos of the same class whose pixels are those
    of a dropped one go with it: they are what the person saw. Raises `DataError` for an id that several sources
    know, and for a list that says no answers and would leave out more than half of the photos, as a table of all
    photos would: that takes `may_drop_most`.
    """
    index = _Index(decisions)
    rows_of = [index.rows(entry) for entry in lists.entries]
    answers: dict[int, Answer] = {}
    for entry, rows in zip(lists.entries, rows_of, strict=True):
        answers |= dict.fromkeys(rows, entry.answer)
    counts = dict.fromkeys(Reviewed.model_fields, 0)
    for entry, rows in zip(lists.entries, rows_of, strict=True):
        counts[_fate(entry, rows, decisions, answers)] += 1
    if not may_drop_most:
        _refuse_tables(decisions, lists.entries, rows_of, answers)
    looked_at = {decisions[row].photo for rows in rows_of for row in rows} | lists.looked_at
    _drop(decisions, [row for row, answer in answers.items() if answer is Answer.DROP])
    return Reviewed(**counts | {"entries": len(lists.entries), "looked_at": len(looked_at)})


def _refuse_tables(
    decisions: Sequence[Decision],
    entries: Sequence[Entry],
    rows_of: Sequence[Sequence[int]],
    answers: Mapping[int, Answer],
) -> None:
    kept = sum(one.is_kept for one in decisions)
    of_file: defaultdict[str, set[int]] = defaultdict(set)
    for entry, rows in zip(entries, rows_of, strict=True):
        if not entry.is_stated:
            of_file[entry.file].update(
                row for row in rows if decisions[row].is_kept and answers[row] is Answer.DROP
            )
    for file, chosen in of_file.items():
        if len(chosen) > _MOST * kept:
            raise DataError(
                f"--drop {file}: would leave out {len(chosen):,} of {kept:,} photos, since an entry that says no "
                "answer means drop; give the list a column `answer`, or say --drop-most if that is meant"
            )


def _fate(entry: Entry, rows: Sequence[int], decisions: Sequence[Decision], answers: dict[int, Answer]) -> str:
    """What an entry comes to, as a field of `Reviewed`."""
    if not rows:
        return "unmatched"
    kept = [row for row in rows if decisions[row].is_kept]
    # A later entry may have overruled this one.
    said = {answers[row] for row in kept or rows}
    if Answer.DROP in said:
        return "dropped" if kept else "already_out"
    return "not_sure" if Answer.NOT_SURE in said else "kept"


def _drop(decisions: list[Decision], rows: Sequence[int]) -> None:
    seen = {(decisions[row].class_id, decisions[row].pixel_sha256) for row in rows if decisions[row].pixel_sha256}
    chosen = set(rows)
    for place, one in enumerate(decisions):
        if one.is_kept and (place in chosen or (one.class_id, one.pixel_sha256) in seen):
            decisions[place] = one.lost(Reason.REVIEWED)


class _Index:
    """Finds the rows that an entry means."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        self._decisions = decisions

    @cached_property
    def _by_id(self) -> dict[str, list[int]]:
        return self._by(lambda one: (one.photo_id, f"{one.source}:{one.photo_id}"))

    @cached_property
    def _by_digest(self) -> dict[str, list[int]]:
        return self._by(lambda one: (one.stored_sha256, one.sha256, one.pixel_sha256))

    @cached_property
    def _by_export_name(self) -> dict[str, list[int]]:
        return self._by(lambda one: (export_stem(one),) if one.stored_sha256 else ())

    def _by(self, names: Callable[[Decision], Iterable[str | None]]) -> dict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for place, one in enumerate(self._decisions):
            for name in set(names(one)):
                if name:
                    found[name].append(place)
        return found

    def rows(self, entry: Entry) -> list[int]:
        """Places of the decisions that an entry means, kept or not. Raises `DataError` where that is not clear."""
        found = self._of_photo(entry)
        if entry.class_id:
            found = [row for row in found if self._decisions[row].class_id == entry.class_id]
        return found

    def _of_photo(self, entry: Entry) -> list[int]:
        found = self._by_id.get(entry.photo, [])
        if entry.source:
            found = [row for row in found if self._decisions[row].source == entry.source]
        sources = sorted({self._decisions[row].source for row in found})
        if len(sources) > 1:
            raise DataError(
                f"--drop {entry.where}: photo {entry.photo} is known to {' and '.join(sources)}; "
                f"write {sources[0]}:{entry.photo} for one of them"
            )
        if found:
            return found
        stem = PurePosixPath(entry.photo.replace("\\", "/")).stem
        if _DIGEST.fullmatch(stem.lower()):
            return self._by_digest.get(stem.lower(), [])
        return self._by_export_name.get(stem, [])
