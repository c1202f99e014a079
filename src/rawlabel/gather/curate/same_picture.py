"""Which label events are of one photo.

One photo may be known to several sources: an index names the site where it found the photo, and Commons the photo
of Flickr that was carried over. Such names are followed from source to source, so that A known as B and B known as
C are one photo.
"""

from __future__ import annotations

from collections.abc import Sequence

from rawlabel.artifacts.decision import Decision


class Names:
    """Names that stand for one thing are joined; a disjoint-set forest."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def join(self, one: str, other: str) -> None:
        """Say that both names stand for one thing."""
        self._parents[self.of(other)] = self.of(one)

    def of(self, name: str) -> str:
        """The one name under which the thing is known here."""
        above = self._parents.setdefault(name, name)
        while above != name:
            # Halving the way up keeps the ways short.
            self._parents[name] = self._parents[above]
            name, above = self._parents[name], self._parents[self._parents[name]]
        return name


def photo_names(decisions: Sequence[Decision]) -> Names:
    """The names of all photos, joined where a source says that its photo is that of another."""
    names = Names()
    for one in decisions:
        if one.origin:
            names.join(one.origin, own_name(one))
    return names


def own_name(decision: Decision) -> str:
    """The photo's name at its own source, `source:photo id`, as `Photo.identity` has it."""
    return f"{decision.source}:{decision.photo_id}"
