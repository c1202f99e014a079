"""One sitting: what there is to look at next, and what was answered, which is on the disk at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence

from rawlabel.artifacts.review.answer_file import AnswerFile
from rawlabel.artifacts.review.answers import LEAKS, Answer, Answers, Look, Subject
from rawlabel.artifacts.review.pairs import KINDS
from rawlabel.errors import DataError
from rawlabel.records import Reason
from rawlabel.show.review.cards import (
    CARD,
    Card,
    ClassRow,
    Grid,
    GroupRow,
    Progress,
    Question,
    Queue,
    Undone,
    card_of,
    group_of,
    suspect_of,
)  # fmt: skip

VIEWS = ("suspects", "classes", *KINDS, "groups")
"""What the page shows, in the order of its tabs."""
PAGE, AHEAD = 48, 8
"""Photos on a page of a class; questions that are handed out at once."""
_FORGET = """
UPDATE photo SET answer = NULL WHERE answer IS NOT NULL;
UPDATE suspect SET asked = 0 WHERE asked = 1;
UPDATE pair SET asked = 0 WHERE asked = 1;
"""
_PAIRS = """
SELECT pair.place, pair.kind, one.source, one.photo_id, one.class_id, one.answer,
    other.source, other.photo_id, other.class_id, other.answer
FROM pair JOIN photo one ON one.row = pair.row LEFT JOIN photo other ON other.row = pair.other
"""
_GROUPS = """
SELECT place, photo_group.class_id, photo_group.author_group, found_by, count(*) photos, preferred, suspicion,
    count(photo.answer) answered
FROM photo_group JOIN group_photo USING (place) JOIN photo USING (row)
WHERE photo.verdict = 'kept' GROUP BY place HAVING count(photo.answer) < count(*) ORDER BY place
"""


class Session:
    """The queues and answers of a project; one thread at a time."""

    def __init__(self, database: sqlite3.Connection, answers: Answers, file: AnswerFile) -> None:
        self._database, self._answers, self._file = database, answers, file
        self._totals = {
            "suspects": self._count("suspect"),
            "classes": self._count("photo WHERE verdict = 'kept'"),
            **{str(kind): self._count("pair WHERE kind = ?", kind) for kind in KINDS},
            "groups": self._count("photo_group"),
        }
        kept = "SELECT class_id, count(*) FROM photo WHERE verdict = 'kept' GROUP BY class_id ORDER BY class_id"
        self._kept = {str(class_id): int(count) for class_id, count in database.execute(kept)}
        database.executescript(_FORGET)
        database.execute("BEGIN")
        for subject, _ in answers.standing():
            self._note(subject)
        self._settle_pairs("WHERE one.answer IS NOT NULL OR other.answer IS NOT NULL")
        database.execute("COMMIT")

    def _count(self, where: str, *values: object) -> int:
        return int(self._database.execute(f"SELECT count(*) FROM {where}", values).fetchone()[0])

    # What was answered.

    def answer(self, look_id: str, view: str, answers: Mapping[int, Answer]) -> None:
        """Take a look's answers about photos, by row; the same look again changes nothing.

        Raises `DataError` for a row that there is not, and `DiskError` where the answer could not be kept.
        """
        subjects = {self._subject(row): answer for row, answer in answers.items()}
        if self._answers.has(look_id):
            return
        look = Look(look_id, int(time.time()), view, subjects)
        self._file.append(look)
        self._answers.add(look)
        self._take_note(look)

    def undo(self, look_id: str) -> Undone | None:
        """Take back the newest look that stands; None where there is none. Raises `DiskError`."""
        last = self._answers.last
        if last is None:
            return None
        undoing = Look(look_id, int(time.time()), undoes=last.look_id)
        self._file.append(undoing)
        self._answers.add(undoing)
        rows = self._take_note(last)
        return Undone(last.view, tuple(rows), self._place_of(last.view, rows))

    def _place_of(self, view: str, rows: Sequence[int]) -> int | None:
        """Where a question stands in its queue; None for pages of photos, and for photos that are gone."""
        if not rows or view not in ("suspects", *KINDS):
            return None
        query, values = "SELECT place FROM suspect WHERE row = ?", list[object]([rows[0]])
        if view != "suspects":
            query = "SELECT place FROM pair WHERE kind = ? AND row IN (?, ?) AND coalesce(other, row) IN (?, ?)"
            values = [view, rows[0], rows[-1], rows[0], rows[-1]]
        found = self._database.execute(query, values).fetchone()
        return None if found is None else int(found["place"])

    def _take_note(self, look: Look) -> list[int]:
        """Bring the index up to date with a look that was taken or taken back; return its photos' rows."""
        rows = [row for subject in look.answers for row in self._note(subject)]
        marks = ", ".join("?" * len(rows))
        self._settle_pairs(f"WHERE pair.row IN ({marks}) OR pair.other IN ({marks})", *rows, *rows)
        return rows

    def _note(self, subject: Subject) -> list[int]:
        """Mark a photo with what stands of it, and its question as asked or not."""
        answer, is_asked = self._answers.answer(subject), self._answers.is_answered(subject)
        rows = self._rows(subject)
        for row in rows:
            self._database.execute("UPDATE photo SET answer = ? WHERE row = ?", [answer, row])
            # What is to be left out needs no further question.
            asked = int(is_asked or answer is Answer.DROP)
            self._database.execute("UPDATE suspect SET asked = ? WHERE row = ?", [asked, row])
        return rows

    def _settle_pairs(self, where: str, *rows: int) -> None:
        """Mark the pairs that were answered, or a photo of which is to be left out, as asked; others as not."""
        for pair in self._database.execute(_PAIRS + where, rows).fetchall():
            place, kind, source, photo, class_id, answer, other_source, other, other_class, other_answer = pair
            subjects = [Subject(source, photo, class_id)]
            if other is not None:
                subjects.append(Subject(other_source, other, other_class))
            is_asked = self._answers.is_answered(*subjects, is_leak=kind == LEAKS)
            is_asked = is_asked or Answer.DROP in (answer, other_answer)
            self._database.execute("UPDATE pair SET asked = ? WHERE place = ?", [int(is_asked), place])

    def _subject(self, row: int) -> Subject:
        query = "SELECT source, photo_id, class_id FROM photo WHERE row = ?"
        found = self._database.execute(query, [row]).fetchone()
        if found is None:
            raise DataError(f"photo {row}: is not in the manifest that is shown; load the page again")
        return Subject(*found)

    def _rows(self, subject: Subject) -> list[int]:
        query = "SELECT row FROM photo WHERE source = ? AND photo_id = ? AND class_id = ?"
        return [int(row[0]) for row in self._database.execute(query, subject)]

    def progress(self) -> Progress:
        """How many photos were looked at, what of the answers stands, and how many questions are left."""
        query = "SELECT answer, count(*) FROM photo WHERE answer IS NOT NULL GROUP BY answer"
        counts = {str(answer): int(count) for answer, count in self._database.execute(query)}
        dropped, kept, unsure = (counts.get(one, 0) for one in (Answer.DROP, Answer.KEEP, Answer.NOT_SURE))
        left = {view: self._left(view) for view, total in self._totals.items() if total}
        return Progress(len(self._answers.looked_at), dropped, kept, unsure, left)

    def _left(self, view: str) -> int:
        if view == "suspects":
            return self._totals[view] - self._count("suspect WHERE asked = 1")
        if view == "classes":
            return self._totals[view] - self._count("photo WHERE answer IS NOT NULL AND verdict = 'kept'")
        if view == "groups":
            return len(self.groups())
        return self._totals[view] - self._count("pair WHERE kind = ? AND asked = 1", view)

    # What there is to look at.

    def queue(self, view: str, after: int) -> Queue:
        """The next questions of `suspects` or a kind of pairs behind place `after`, 0 for the first ones."""
        if view == "suspects":
            query = (
                f"SELECT place, preferred, suspicion, {CARD} FROM suspect JOIN photo ON photo.row = suspect.row "
                "WHERE asked = 0 AND place > ? ORDER BY place LIMIT ?"
            )
            questions = [suspect_of(row) for row in self._database.execute(query, [after, AHEAD])]
        else:
            query = "SELECT * FROM pair WHERE kind = ? AND asked = 0 AND place > ? ORDER BY place LIMIT ?"
            questions = [self._pair(view, row) for row in self._database.execute(query, [view, after, AHEAD])]
        return Queue(tuple(questions), self._left(view), self._totals[view])

    def _pair(self, view: str, pair: sqlite3.Row) -> Question:
        cards = tuple(self._card(row) for row in (pair["row"], pair["other"]) if row is not None)
        return Question(view, pair["place"], cards, note=pair["note"], has_file=bool(pair["file"]))

    def _card(self, row: int) -> Card:
        return card_of(self._database.execute(f"SELECT {CARD} FROM photo WHERE row = ?", [row]).fetchone())

    def classes(self) -> list[ClassRow]:
        """All classes that have kept photos, with how many there are."""
        # Left alone, SQLite goes through all photos, which are in the order of their classes in another index.
        query = (
            "SELECT class_id, count(*) FROM photo INDEXED BY photo_answered "
            "WHERE answer IS NOT NULL AND verdict = 'kept' GROUP BY class_id"
        )
        answered = {str(class_id): int(count) for class_id, count in self._database.execute(query)}
        return [ClassRow(name, kept, answered.get(name, 0)) for name, kept in self._kept.items()]

    def groups(self) -> list[GroupRow]:
        """The groups that have photos without an answer, in the order of the evidence."""
        return [group_of(row) for row in self._database.execute(_GROUPS)]

    def of_class(self, class_id: str, after: int | None) -> Grid:
        """Kept photos of a class in random order, behind the draw `after`; None begins at the first unanswered."""
        of_class = "FROM photo WHERE class_id = ? AND verdict = 'kept'"
        if after is None:
            query = f"SELECT min(draw) {of_class} AND answer IS NULL"
            first = self._database.execute(query, [class_id]).fetchone()[0]
            after = -1 if first is None else int(first) - 1
        query = f"SELECT {CARD} {of_class} AND draw > ? ORDER BY draw LIMIT ?"
        found = self._database.execute(query, [class_id, after, PAGE + 1]).fetchall()
        more = int(found[PAGE - 1]["draw"]) if len(found) > PAGE else None
        return Grid(tuple(map(card_of, found[:PAGE])), more, self._kept.get(class_id, 0))

    def of_group(self, place: int, after: int | None) -> Grid:
        """Kept photos of a group, the most suspicious first, behind the turn `after`; None begins at the first."""
        of_group = "FROM group_photo JOIN photo USING (row) WHERE place = ? AND verdict = 'kept'"
        query = f"SELECT turn, {CARD} {of_group} AND turn > ? ORDER BY turn LIMIT ?"
        start = -1 if after is None else after
        found = self._database.execute(query, [place, start, PAGE + 1]).fetchall()
        total = int(self._database.execute(f"SELECT count(*) {of_group}", [place]).fetchone()[0])
        more = int(found[PAGE - 1]["turn"]) if len(found) > PAGE else None
        return Grid(tuple(map(card_of, found[:PAGE])), more, total)

    def path(self, row: int) -> str | None:
        """File of a photo in the project; None for a row that there is not, or a picture too large to decode."""
        found = self._database.execute("SELECT path, reason FROM photo WHERE row = ?", [row]).fetchone()
        return None if found is None or found["reason"] == Reason.TOO_LARGE else str(found["path"])

    def test_file(self, place: int) -> str | None:
        """File of the test set in a pair; None where there is none."""
        found = self._database.execute("SELECT file FROM pair WHERE place = ?", [place]).fetchone()
        return str(found["file"]) if found is not None and found["file"] else None

    def close(self) -> None:
        """Close the index and the file of answers; the answers are on the disk already."""
        self._database.close()
        self._file.close()
