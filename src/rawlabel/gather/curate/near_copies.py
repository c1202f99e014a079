"""One picture is kept once: what becomes of photos that show nearly the same, over all classes and sources.

Pictures are gathered in stars around the best of them (the largest, then the earliest upload, then by name), so
that whatever is left out is a copy of one that is named. In one class the best stays. Under several classes at
least one label is wrong, which `--conflicts` settles as it does for equal pixels: a photo that was left out for
that reason still speaks against its near copies.

What the pixels do not confirm is left as it is, and listed for whoever wants to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rawlabel.artifacts.copies.listed import EQUAL, LOOK_ALIKE, ListedCopy
from rawlabel.artifacts.copies.stars import Copy
from rawlabel.artifacts.decision import Decision
from rawlabel.gather.curate.same_picture import Names, own_name
from rawlabel.records import Reason

FindCopies = Callable[[Sequence[str]], Sequence[Copy]]
"""From the SHA-256 of stored files, the best first, to the stars among them."""


@dataclass(slots=True)
class Picture:
    """All label events whose photos have the same pixels."""

    places: list[int]
    """Positions of their decisions, in order."""
    near: list[tuple[Copy, Picture]] = field(default_factory=list)
    """Pictures that are copies of this one, which is the middle of their star."""
    doubts: list[tuple[Copy, Picture]] = field(default_factory=list)
    """Pictures that may be copies of this one, and are not taken for them."""
    is_member: bool = False
    """Whether it is a copy of a better one."""

    @property
    def star(self) -> list[int]:
        """Positions of all decisions about it and its copies, its own first, then those of the best copies.

        A crop of it may have copies of its own.
        """
        return [*self.places, *(place for _, one in self.near for place in one.star)]

    @property
    def stars(self) -> list[Picture]:
        """It, and those of its copies that have copies of their own."""
        return [self, *(one for _, copy in self.near if copy.near for one in copy.stars)]


def settle_near_copies(decisions: list[Decision], policy: str, find: FindCopies) -> list[Picture]:
    """Leave out all but one of the photos that show a picture, in place; return the middles of stars and doubts.

    Photos that are kept together although they show one picture get one group, so that they are never on both
    sides of the split.
    """
    pictures = _pictures(decisions)
    digests = [decisions[one.places[0]].stored_sha256 or "" for one in pictures]
    links: list[tuple[Picture, Picture]] = []
    for found in find(digests):
        middle, copy = pictures[found.of], pictures[found.copy]
        if not found.is_sure:
            middle.doubts.append((found, copy))
        elif found.is_member:
            middle.near.append((found, copy))
            copy.is_member = True
        else:
            links.append((middle, copy))
    middles = [one for one in pictures if not one.is_member]
    for one in middles:
        _settle(decisions, one.star, policy)
    _join_groups(decisions, [*(one.star for one in middles), *([*a.star, *b.star] for a, b in links)])
    shared = [one for one in middles if one.doubts or _is_shared(decisions, one.star)]
    for one in shared:
        if not one.near:
            continue  # equal pixels say so themselves
        group = own_name(decisions[one.places[0]])
        for place in one.star:
            decisions[place] = replace(decisions[place], copy_group=group)
    return shared


def _is_shared(decisions: Sequence[Decision], star: Sequence[int]) -> bool:
    """Whether several photos, or classes, have the picture."""
    return len({(own_name(decisions[place]), decisions[place].class_id) for place in star}) > 1


def _pictures(decisions: Sequence[Decision]) -> list[Picture]:
    """What is still shown, or was left out since labels contradict each other, the best picture first."""
    found: dict[str, Picture] = {}
    for place, one in enumerate(decisions):
        is_told = one.is_kept or one.reason in (Reason.CROSS_CLASS, Reason.EXACT_DUPLICATE)
        if is_told and one.pixel_sha256 and one.stored_sha256:
            found.setdefault(one.pixel_sha256, Picture([])).places.append(place)
    return sorted(found.values(), key=lambda one: _rank(decisions[one.places[0]]))


def _rank(one: Decision) -> tuple[int, float, str]:
    """What comes first is the better copy."""
    uploaded = float("inf") if one.uploaded_at is None else one.uploaded_at
    return -(one.width or 0) * (one.height or 0), uploaded, own_name(one)


def _settle(decisions: list[Decision], star: Sequence[int], policy: str) -> None:
    kept = [place for place in star if decisions[place].is_kept]
    is_conflict = len({decisions[place].class_id for place in star}) > 1
    if is_conflict and policy != "keep-both":
        first = decisions[min(star)]
        for place in kept:
            one = decisions[place]
            if policy == "drop" or one.class_id != first.class_id:
                other = next(decisions[rival] for rival in star if decisions[rival].class_id != one.class_id)
                against = other if policy == "drop" else first
                decisions[place] = one.lost(Reason.CROSS_CLASS, against.photo_id)
    best: dict[str, str] = {}
    for place in kept:
        one = decisions[place]
        if not one.is_kept:
            continue
        if one.class_id in best:
            decisions[place] = one.lost(Reason.NEAR_DUPLICATE, best[one.class_id])
        else:
            best[one.class_id] = one.photo_id


def _join_groups(decisions: list[Decision], together: Sequence[Sequence[int]]) -> None:
    """Give one group to the groups of kept photos that show one picture."""
    groups = Names()
    for places in together:
        first, *others = [decisions[place].group for place in places if decisions[place].is_kept] or [None]
        for other in others:
            if first and other:
                groups.join(first, other)
    for place, one in enumerate(decisions):
        if one.is_kept and one.group and groups.of(one.group) != one.group:
            decisions[place] = replace(one, group=groups.of(one.group))


def listed(decisions: Sequence[Decision], middles: Sequence[Picture]) -> Iterator[ListedCopy]:
    """The pairs of stars, each photo with the best one, and what was decided about both."""
    for middle in (one for star in middles for one in star.stars):
        best = decisions[middle.places[0]]
        for place in middle.places[1:]:
            yield _pair(best, decisions[place], EQUAL, 0, 1.0)
        for found, copy in middle.near:
            for place in copy.places:
                yield _pair(best, decisions[place], found.kind, found.bits, found.likeness)
        for found, copy in middle.doubts:
            one = decisions[copy.places[0]]
            if best.is_kept and one.is_kept:
                yield _pair(best, one, LOOK_ALIKE, found.bits, found.likeness)


def _pair(best: Decision, copy: Decision, kind: str, bits: int | None, likeness: float) -> ListedCopy:
    return ListedCopy(
        group=best.copy_group or own_name(best),
        kind=kind,
        bits=bits,
        likeness=round(likeness, 4),
        best=own_name(best),
        best_class=best.class_id,
        best_path=best.path,
        best_reason=best.reason,
        copy=own_name(copy),
        copy_class=copy.class_id,
        copy_path=copy.path,
        copy_reason=copy.reason,
    )
