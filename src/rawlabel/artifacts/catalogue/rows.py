"""What a catalogue answers with, beside the records of `rawlabel.records`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rawlabel.records import LabelEvent, Outcome, Photo, Reason, Status


class PartState(StrEnum):
    """How far a part of a search got."""

    OPEN = "open"
    DONE = "done"
    SPLIT = "split"
    """Its results are more than the site hands out; smaller parts took its place."""
    TRUNCATED = "truncated"
    """Its results are more than the site hands out, and it cannot be split."""
    INCOMPLETE = "incomplete"
    """Its pages were read to the end and hold fewer results than the site states."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a part is after a page."""

    state: PartState
    missing: int = 0
    """Results that the site states and none of the pages listed; 0 while the part is open."""
    num_barren: int = 0
    """Pages without anything new, in a row, up to this one."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of one keyword search that the site can answer in full, and how far it got."""

    source: str
    class_id: str
    keyword: str
    name: str
    """Parts of one search sort by name in the order in which they are asked."""
    bounds: Mapping[str, Any]
    """What narrows the search to this part, in the source's own words; empty for the whole search."""
    cursor: str | None = None
    """Where the next page begins, in the source's own words; None before the first page."""
    pages: int = 0
    total_reported: int | None = None
    num_listed: int = 0
    """Results that its pages listed, those that are no photos included."""
    num_barren: int = 0
    """Pages without anything new, in a row, up to the last one."""
    repeats: int = 0
    """How often it was asked again from its first page, since its pages had come short."""
    num_repeat_new: int = 0
    """Photos that the last time brought and none before."""
    missing_before: int = 0
    """Results that were missing when it was asked again."""


@dataclass(frozen=True, slots=True)
class QueryState:
    """How far one keyword search got."""

    source: str
    class_id: str
    keyword: str
    until: int | None
    """End of the upload dates that are searched [seconds since 1970], frozen when the search was planned."""
    total_reported: int | None
    """Results that the site says there are; sites exaggerate."""
    num_events: int
    """Distinct photos found."""
    num_parts: int
    pages: int
    """Pages of results asked for."""
    exhausted: bool
    """All that the site hands out for the keyword has been asked for."""
    truncated: bool
    """Some part of the search has more results than the site hands out."""
    missing: int = 0
    """Results that the site states and did not list, over all parts that were read to their end."""

    @property
    def completeness(self) -> float | None:
        """Distinct photos found over those that the site reports [0 to 1]; None when it reports none."""
        return min(1.0, self.num_events / self.total_reported) if self.total_reported else None


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What a site answered when it was asked about a photo again."""

    source: str
    photo_id: str
    is_there: bool
    license_name: str | None = None
    """The license it has now; None when the site did not say."""
    license_url: str | None = None
    reason: Reason | None = None
    """Why it is not to be used any more; None when it may be."""
    asked_at: int | None = None
    """Seconds since 1970; None before it is recorded."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A file that should be in the image store; several photos may share it."""

    sha256: str
    media_type: str
    pixels: frozenset[str]
    """What is recorded of its pixels (`pixel_sha256`); empty for a photo that was resized on arrival."""
    is_taken_down: bool
    """Every photo that it belongs to was taken down, so it should not be there any more."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One label event with all that is known about its photo; times are in seconds since 1970."""

    event: LabelEvent
    photo: Photo
    outcome: Outcome
    bounds: str = "{}"
    """The part of the search that returned it, as JSON."""
    searched_at: int | None = None
    found_at: int | None = None
    """When the photo's facts, its license among them, were read from the site."""
    fetched_at: int | None = None
    last_seen: LastSeen | None = None
    """What the site last answered about it; None when it has not been asked again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A photo found for a class, in the order of finding, and what is known of its bytes."""

    position: int
    photo: Photo
    status: Status
    reason: Reason | None
    pixel_sha256: str | None
    shorter_side: int
    """Pixels; 0 before it is fetched."""
    was_answered: bool = False
    """Its own address was asked before and did answer; not so where its host was left alone or silent."""

    @property
    def is_pending(self) -> bool:
        """Whether its bytes are still to be asked for."""
        open_status = self.status in (Status.FOUND, Status.SKIPPED)
        return open_status or (self.reason is not None and self.reason.may_pass)
