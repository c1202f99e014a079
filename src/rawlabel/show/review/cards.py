"""What the page is told of photos and questions; texts are from strangers, shortened and not escaped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from rawlabel.base.untrusted_text import plain_text, web_address
from rawlabel.records import Reason

CARD = (
    "photo.row, photo.class_id, keyword, rank, verdict, reason, width, height, page, title, author, license, "
    "draw, answer"
)
"""Columns of a photo that its card is made of."""
_MOST_KEYWORDS = 4


@dataclass(frozen=True)
class Card:
    """A photo as the page shows it; all texts are from strangers, shortened and not escaped."""

    row: int
    class_id: str
    keyword: str
    result: int
    """Place among the search results, counted from 1."""
    verdict: str
    why: str
    """Why curation left it out, in words; empty when it is kept."""
    width: int | None
    height: int | None
    page: str | None
    title: str
    author: str
    license: str
    answer: str | None


@dataclass(frozen=True)
class Question:
    """One thing to be answered: a photo, or two side by side."""

    view: str
    place: int
    """Where it stands in its queue; the next one is behind it."""
    photos: tuple[Card, ...]
    preferred: str = ""
    """Class that the evidence prefers to the label; empty where none does."""
    suspicion: float | None = None
    note: str = ""
    has_file: bool = False
    """Whether a file of the test set stands beside the photo."""


@dataclass(frozen=True)
class Queue:
    """The next questions of a view, and how many are left of how many."""

    questions: tuple[Question, ...]
    left: int
    total: int


@dataclass(frozen=True)
class ClassRow:
    """A class in the list of classes, with its kept photos and how many of these were answered."""

    class_id: str
    kept: int
    answered: int


@dataclass(frozen=True)
class GroupRow:
    """Photos under one class that are suspected for the same reason, or of one author and mostly suspected."""

    place: int
    class_id: str
    found_by: str
    """The author, or which keywords brought how many; a stranger's text, shortened and not escaped."""
    photos: int
    preferred: str
    """Class that they look like; empty where it is none of the classes."""
    suspicion: float
    answered: int


@dataclass(frozen=True)
class Grid:
    """A page of photos; `after` is handed back for the next page, and None at the end."""

    photos: tuple[Card, ...]
    after: int | None
    total: int


@dataclass(frozen=True)
class Progress:
    """What was done so far, and what there is to look at."""

    looked_at: int
    dropped: int
    kept: int
    not_sure: int
    left: Mapping[str, int] = field(default_factory=dict)
    """Questions left by view; views that have none from the start are absent."""


@dataclass(frozen=True)
class Undone:
    """What was taken back: where it was asked, and about which photos."""

    view: str
    rows: tuple[int, ...]
    place: int | None
    """Where the question stands in its queue; None for pages of photos."""


def suspect_of(row: sqlite3.Row) -> Question:
    """A question about a photo and the class that the evidence prefers to its label."""
    preferred = row["preferred"] if row["preferred"] != row["class_id"] else ""
    return Question("suspects", row["place"], (card_of(row),), preferred, row["suspicion"])


def group_of(row: sqlite3.Row) -> GroupRow:
    """A group, by a row that has its columns, how many photos it has, and how many of them are answered."""
    if row["author_group"] is None:
        words = json.loads(row["found_by"])
        shown = ", ".join(f"“{plain_text(word)}” {count}" for word, count in list(words.items())[:_MOST_KEYWORDS])
        found_by = f"found by {shown}" if shown else ""
    else:
        found_by = f"by {plain_text(row['found_by'])}" if row["found_by"] else ""
    return GroupRow(
        row["place"], row["class_id"], found_by, row["photos"], row["preferred"], row["suspicion"], row["answered"]
    )


def card_of(row: sqlite3.Row) -> Card:
    """A photo, by a row that has the columns of `CARD`."""
    reason = row["reason"]
    why = "" if reason is None else Reason(reason).describe() if reason in set(Reason) else str(reason)
    text = {name: plain_text(row[name]) for name in ("keyword", "title", "author", "license")}
    return Card(
        row["row"], row["class_id"], text["keyword"], row["rank"] + 1, row["verdict"], why, row["width"],
        row["height"], web_address(row["page"]), text["title"], text["author"], text["license"], row["answer"],
    )  # fmt: skip
