"""Classes whose searches find the same photos: ambiguity that shows before anything is trained.

A photo that the keywords of two classes find, or two copies of one picture under two classes, say that the words
are used for the same thing, or that two things are in one picture. A classifier will mix such classes up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rawlabel.base.checked import Count, Measured, Record, check_record
from rawlabel.base.files import read_json
from rawlabel.records import Reason

FILE = "class_overlap.json"
_TOLD_FROM, _MOST_TOLD = 0.02, 10
"""Share of photos in common from which a pair of classes is named to people, and how many pairs are."""


class ClassPair(Record):
    """Two classes that have pictures in common."""

    classes: tuple[str, str]
    """In the order of their ids."""
    shared_photos: Count
    """Photos that searches for both have found."""
    copies: Count
    """Pictures of which there is another copy under each, found as another photo."""
    share: Measured
    """Of the photos found for the class with fewer, the share that both of these have."""

    def describe(self) -> str:
        """How much the two have in common, in one line for people."""
        first, second = self.classes
        return (
            f"searches for '{first}' and '{second}' found {self.shared_photos:,} photos and {self.copies:,} "
            f"copies in common, {100 * self.share:.1f} % of the smaller class: expect them to be mixed up"
        )


def pairs_to_tell(pairs: Sequence[ClassPair]) -> Sequence[ClassPair]:
    """Of pairs in order, largest share first, those that a person should hear of."""
    return [one for one in pairs if one.share >= _TOLD_FROM][:_MOST_TOLD]


def class_overlap(table: pa.Table) -> tuple[ClassPair, ...]:
    """The pairs of classes of a manifest's table that have pictures in common, by their share, largest first.

    All label events count, whatever was decided about them: what is left out of two classes says most. Only
    placeholders do not, which would tie every class to every other.
    """
    if "reason" in table.column_names:
        table = table.filter(pc.fill_null(pc.not_equal(table["reason"], Reason.PLACEHOLDER.value), True))
    names = pc.binary_join_element_wise(table["source"], table["photo_id"], ":")
    own = pa.table({"picture": names, "class_id": table["class_id"], "photo": names})
    shared = _pairs(_classes_of(own))
    pictures = [table[name] for name in ("copy_group", "pixel_sha256") if name in table.column_names]
    copies: Counter[tuple[str, str]] = Counter()
    if pictures:
        known = pc.coalesce(*pictures) if len(pictures) > 1 else pictures[0]
        seen = pa.table({"picture": known, "class_id": table["class_id"], "photo": names})
        seen = seen.filter(pc.is_valid(seen["picture"]))
        # A picture that is one photo under two classes is a shared photo and no copy.
        counts = seen.group_by("picture").aggregate([("photo", "count_distinct")])
        several = counts.filter(pc.greater(counts["photo_count_distinct"], 1))["picture"]
        copies = _pairs(_classes_of(seen.filter(pc.is_in(seen["picture"], value_set=several.combine_chunks()))))
    found = own.group_by("class_id").aggregate([("picture", "count_distinct")])
    sizes = dict(zip(found["class_id"].to_pylist(), found["picture_count_distinct"].to_pylist(), strict=True))
    pairs = [
        ClassPair(
            classes=pair,
            shared_photos=shared[pair],
            copies=copies[pair],
            share=round(min(1.0, (shared[pair] + copies[pair]) / min(sizes[one] for one in pair)), 6),
        )
        for pair in shared | copies
    ]
    return tuple(sorted(pairs, key=lambda one: (-one.share, one.classes)))


def _classes_of(table: pa.Table) -> Iterable[Sequence[str]]:
    """The classes of each picture that has several, sorted."""
    once = table.select(["picture", "class_id"]).group_by(["picture", "class_id"]).aggregate([])
    counts = once.group_by("picture").aggregate([("class_id", "count")])
    several = counts.filter(pc.greater(counts["class_id_count"], 1))["picture"].combine_chunks()
    rows = once.filter(pc.is_in(once["picture"], value_set=several))
    of: dict[str, list[str]] = {}
    for picture, class_id in zip(rows["picture"].to_pylist(), rows["class_id"].to_pylist(), strict=True):
        of.setdefault(picture, []).append(class_id)
    return [sorted(classes) for classes in of.values()]


def _pairs(pictures: Iterable[Sequence[str]]) -> Counter[tuple[str, str]]:
    return Counter((one, other) for classes in pictures for one, other in combinations(classes, 2))


def read_class_overlap(manifest: Path) -> tuple[ClassPair, ...] | None:
    """The table beside a manifest file; None where an older version wrote none. Raises `DataError`."""
    path = manifest.with_name(FILE)
    if not path.is_file():
        return None
    found = read_json(path, "classes that have pictures in common")
    return check_record(tuple[ClassPair, ...], found, path, "run `rawlabel curate` again")
