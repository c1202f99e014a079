"""What a person answered about photos, in order, and what of it stands: answers are taken back, never deleted.

A *look* is one press of a key: an answer about one photo under one class, or about both of a pair, or about a page
of them. It stands until another look takes it back (`undoes`); of several looks that stand and speak of the same
photo under the same class, the newest counts. So the end does not depend on how often something was said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Answer(StrEnum):
    """What a person may say of a photo under a class; none of them edits a label."""

    KEEP = "keep"
    DROP = "drop"
    NOT_SURE = "not_sure"


class Subject(NamedTuple):
    """What an answer is about: a photo, under the class whose keyword found it."""

    source: str
    photo_id: str
    class_id: str


LEAKS = "leaks"
"""The view that asks whether a photo shows a test picture, whatever its label."""


class Question(NamedTuple):
    """What is asked once: about a photo or a pair, its label or whether it shows a test picture."""

    subjects: frozenset[Subject]
    is_leak: bool


@dataclass(frozen=True)
class Look:
    """One line of the file of answers; either it answers, or it takes another look back."""

    look_id: str
    at: int
    """Seconds since 1970 (UTC)."""
    view: str = ""
    """What the page showed: `suspects`, `classes`, `copies`, `conflicts`, `leaks` or `groups`."""
    answers: Mapping[Subject, Answer] = field(default_factory=dict)
    undoes: str | None = None

    @property
    def question(self) -> Question:
        """What was asked about, all of it together: a pair is another question than each of its photos."""
        return Question(frozenset(self.answers), self.view == LEAKS)


class Answers:
    """The looks of a project, and what of them stands."""

    def __init__(self, looks: Iterable[Look] = ()) -> None:
        self._looks: dict[str, Look] = {}
        self._undone: set[str] = set()
        self.looked_at: set[tuple[str, str]] = set()
        """Photos that a person gave an answer about, taken back or not: nobody can unsee one."""
        self._about: defaultdict[Subject, list[str]] = defaultdict(list)
        self._asked: defaultdict[Question, set[str]] = defaultdict(set)
        for look in looks:
            self.add(look)

    def add(self, look: Look) -> None:
        """Take one more look; one that is there already, by its id, changes nothing."""
        if look.undoes is not None:
            self._undone.add(look.undoes)
        elif look.look_id not in self._looks:
            self._looks[look.look_id] = look
            self._asked[look.question].add(look.look_id)
            for subject in look.answers:
                self._about[subject].append(look.look_id)
                self.looked_at.add((subject.source, subject.photo_id))

    def has(self, look_id: str) -> bool:
        """Whether a look is there already, so that a request that was sent twice counts once."""
        return look_id in self._looks

    def _stands(self, look_id: str) -> bool:
        return look_id not in self._undone

    @property
    def last(self) -> Look | None:
        """The newest look that stands, which one key takes back; None where there is none."""
        return next((self._looks[one] for one in reversed(self._looks) if self._stands(one)), None)

    def answer(self, subject: Subject) -> Answer | None:
        """What stands of a photo under a class; None where nothing does."""
        told = (one for one in reversed(self._about.get(subject, ())) if self._stands(one))
        found = next(told, None)
        return None if found is None else self._looks[found].answers[subject]

    def is_answered(self, *subjects: Subject, is_leak: bool = False) -> bool:
        """Whether the same question, about just these, has an answer that stands."""
        return any(map(self._stands, self._asked.get(Question(frozenset(subjects), is_leak), ())))

    def of_leaks(self) -> Iterator[tuple[Subject, Answer]]:
        """What stands of whether photos show test pictures, each once."""
        for subject, looks in self._about.items():
            told = (one for one in reversed(looks) if self._stands(one) and self._looks[one].view == LEAKS)
            if (found := next(told, None)) is not None:
                yield subject, self._looks[found].answers[subject]

    def standing(self) -> Iterator[tuple[Subject, Answer]]:
        """What stands, each photo under each class once, in the order in which they were first looked at."""
        for subject in self._about:
            if (found := self.answer(subject)) is not None:
                yield subject, found
