"""Classes whose searches find the same pictures are listed, largest share first, from the decisions alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from rawlabel.artifacts.class_overlap import FILE, class_overlap, read_class_overlap
from rawlabel.artifacts.decision import Decision, table_of
from rawlabel.errors import DataError
from rawlabel.records import Reason, Verdict


def event(photo_id: str, class_id: str, pixels: str | None = None, **changes: object) -> Decision:
    values = {"source": "flickr", "photo_id": photo_id, "class_id": class_id, "keyword": class_id, "rank": 0}
    return Decision(**(values | {"pixel_sha256": pixels} | changes))  # type: ignore[arg-type]


def test_shared_photos_and_copies_are_counted_by_pair_whatever_was_decided_about_them() -> None:
    events = [
        event("1", "crane", "a", verdict=Verdict.REJECTED, reason=Reason.CROSS_CLASS),
        event("1", "heron", "a", verdict=Verdict.REJECTED, reason=Reason.CROSS_CLASS),
        # The same pixels, as two photos.
        event("2", "crane", "b"),
        event("3", "digger", "b"),
        # Copies in one class, a photo found by two keywords, and nothing in common.
        event("4", "crane", "c"),
        event("5", "crane", "c"),
        event("4", "crane", "c", keyword="cranes"),
        event("6", "heron"),
        event("7", "digger"),
        # A stand-in for photos that are gone says nothing of their classes.
        *(
            event(one, one, "gone", verdict=Verdict.REJECTED, reason=Reason.PLACEHOLDER)
            for one in ("crane", "heron")
        ),
    ]
    found = class_overlap(table_of(events))
    assert [(one.classes, one.shared_photos, one.copies, one.share) for one in found] == [
        (("crane", "digger"), 0, 1, 0.5),
        (("crane", "heron"), 1, 0, 0.5),
    ]


def test_nothing_in_common_is_an_empty_table_and_an_older_manifest_has_none(tmp_path: Path) -> None:
    assert class_overlap(table_of([event("1", "owl"), event("2", "robin")])) == ()
    assert class_overlap(table_of([])) == ()
    assert read_class_overlap(tmp_path / "manifest.parquet") is None
    (tmp_path / FILE).write_text("[{}]")
    with pytest.raises(DataError, match=FILE):
        read_class_overlap(tmp_path / "manifest.parquet")
