"""Groups of photos inside a class that `labels` suspects together, which a person can judge at a glance."""

from __future__ import annotations

from dataclasses import dataclass

from rawlabel.artifacts.review.photo_groups import PhotoGroups
from rawlabel.base.untrusted_text import plain_text
from rawlabel.show.report.evidence import CollectionEvidence, RunEvidence
from rawlabel.show.report.photos.looked_up import KnownPhoto, look_up
from rawlabel.show.report.thumbnails import Thumbnails

MOST_GROUPS = 40
MOST_PHOTOS = 24
"""Photos of the first groups that are on the page; of the others fewer, so that they are a few hundred in all."""
_IN_ALL = 400
MOST_KEYWORDS = 5


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """Photos of one raw label that are suspected for the same reason, classes by their names."""

    label: str
    looks_like: str | None
    """The class that they look like; None where they stray from their class together and look like none."""
    count: int
    keywords: list[tuple[str, int]]
    """What brought them, with how many, the most first."""
    other_keywords: int
    photos: list[KnownPhoto]
    """The most suspicious of them."""


@dataclass(frozen=True, slots=True)
class GroupSection:
    """The largest groups, and counts of all."""

    groups: list[ShownGroup]
    num_groups: int
    grouped: int
    """Photos in all groups."""
    suspected: int
    scattered: int
    """Suspected photos that are in no group."""


def find_groups(collection: CollectionEvidence, run: RunEvidence, thumbnails: Thumbnails) -> GroupSection | None:
    """Read `label_groups.json` of the run; None where there is none. Raises `DataError` when it is damaged."""
    read = PhotoGroups.read(run.path)
    if read is None:
        return None
    shown = read.groups[:MOST_GROUPS]
    each = max(min(MOST_PHOTOS, _IN_ALL // max(len(shown), 1)), 1)
    known = look_up(collection, [name for one in shown for name in one.photos[:each]], thumbnails)
    groups = []
    for one in shown:
        words = [(plain_text(word), count) for word, count in one.keywords.items()]
        groups.append(
            ShownGroup(
                collection.label(one.label),
                None if one.looks_like is None else collection.label(one.looks_like),
                len(one.photos),
                words[:MOST_KEYWORDS],
                max(len(words) - MOST_KEYWORDS, 0),
                [known[name] for name in one.photos[:each] if name in known],
            )
        )
    grouped = sum(len(one.photos) for one in read.groups)
    return GroupSection(groups, len(read.groups), grouped, read.suspected, read.scattered)
