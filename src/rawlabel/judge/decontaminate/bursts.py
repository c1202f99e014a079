"""Bursts: photos that one owner took within minutes of a photo that is left out, as far as their site says so.

Such photos show the same thing from nearly the same place, which no comparison of pixels finds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rawlabel.judge.decontaminate.matches import Match

BURST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Shot:
    """Who took a photo, and when."""

    owner: str
    taken: float
    """Seconds, on the owner's own clock."""


def shot_of(source: str, author_id: str | None, taken_at: str | None) -> Shot | None:
    """What a site says of a photo; None where it does not say both, or the time to no more than a day."""
    if not author_id or not taken_at:
        return None
    try:
        taken = datetime.fromisoformat(taken_at.strip())
    except ValueError:
        return None
    if len(taken_at.strip()) < len("2020-01-01 00:00") or (taken.hour, taken.minute, taken.second) == (0, 0, 0):
        return None
    return Shot(f"{source}:{author_id}", taken.replace(tzinfo=taken.tzinfo or UTC).timestamp())


def bursts(shots: Sequence[Shot | None], removed: Sequence[Match]) -> list[Match]:
    """The candidates of the same owner, taken within two minutes of one that is left out as a copy."""
    out = {one.candidate for one in removed}
    of_owner: defaultdict[str, list[int]] = defaultdict(list)
    for place, shot in enumerate(shots):
        if shot is not None and place not in out:
            of_owner[shot.owner].append(place)
    found: dict[int, Match] = {}
    for one in removed:
        centre = shots[one.candidate]
        for place in of_owner[centre.owner] if centre is not None else ():
            other = shots[place]
            if centre and other and abs(other.taken - centre.taken) <= BURST_SECONDS:
                found.setdefault(place, Match(place, one.test, "burst", "same owner, same minutes"))
    return [found[place] for place in sorted(found)]
