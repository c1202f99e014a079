"""The catalogue keeps every fact, counts add up, and interruptions leave no trace."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part, PartState
from rawlabel.errors import DataError
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Reason, Status

CLASSES = [ClassSpec("owl", "owl", ("owl", "barn owl")), ClassSpec("robin", "robin", ("robin",))]


def fill(path: Path, found: Sequence[tuple[str, int]], outcomes: Sequence[Outcome], batch: int = 100) -> None:
    """Search results as (photo id, index of the query), and downloads in batches."""
    with Catalogue(path, create=True) as catalogue:
        catalogue.plan(["flickr"], CLASSES)
        for index, query in enumerate(catalogue.queries()):
            ids = [photo_id for photo_id, where in found if where == index]
            page = [
                (
                    Photo("flickr", one, f"http://host/{one}"),
                    LabelEvent("flickr", one, query.class_id, query.keyword, rank),
                )
                for rank, one in enumerate(ids)
            ]
            part = Part(query.source, query.class_id, query.keyword, "", {})
            catalogue.record_page(part, page, cursor=None, total_reported=len(ids), state=PartState.DONE)
        for start in range(0, len(outcomes), batch):
            catalogue.record_outcomes(outcomes[start : start + batch])


def fetched(photo_id: str) -> Outcome:
    return Outcome(
        "flickr", photo_id, Status.FETCHED, http_status=200, sha256=photo_id * 8, stored_sha256=photo_id * 8
    )


photo_ids = st.sampled_from(["a", "b", "c", "d", "e"])
reasons = st.sampled_from([None, *Reason])


@settings(max_examples=30)
@given(st.lists(st.tuples(photo_ids, st.integers(0, 2)), unique=True, min_size=1), st.lists(reasons, max_size=5))
def test_counts_add_up(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[str, int]], fates: list[Reason | None]
) -> None:
    photos = sorted({photo_id for photo_id, _ in found})
    outcomes = [
        Outcome("flickr", one, Status.FAILED, fate) if fate else fetched(one)
        for one, fate in zip(photos, fates, strict=False)
    ]
    path = tmp_path_factory.mktemp("catalogue") / "catalogue.sqlite"
    fill(path, found, outcomes)
    with Catalogue(path) as catalogue:
        counts, candidates = catalogue.counts(), list(catalogue.candidates())
    assert counts["label_events"] == len(found) == len(candidates)
    assert counts["photos"] == len(photos)
    failed = sum(counts.get(reason, 0) for reason in Reason)
    assert counts["photos"] == counts["fetched"] + failed + counts["pending"]


def test_one_photo_under_two_keywords_is_one_object_with_two_label_events(tmp_path: Path) -> None:
    fill(tmp_path / "c.sqlite", [("a", 0), ("a", 1), ("a", 2)], [fetched("a")])
    with Catalogue(tmp_path / "c.sqlite") as catalogue:
        assert catalogue.counts()["photos"] == 1
        events = [one.event for one in catalogue.candidates()]
    assert [(one.class_id, one.keyword) for one in events] == [
        ("owl", "owl"), ("owl", "barn owl"), ("robin", "robin"),
    ]  # fmt: skip


def test_the_fingerprint_ignores_order_and_clock_but_no_fact(tmp_path: Path) -> None:
    found = [("a", 0), ("b", 0), ("b", 2)]
    fill(tmp_path / "1.sqlite", found, [fetched("a"), fetched("b")])
    fill(tmp_path / "2.sqlite", found, [fetched("b"), fetched("a")], batch=1)
    fill(tmp_path / "3.sqlite", found, [fetched("a"), Outcome("flickr", "b", Status.FAILED, Reason.HTTP_GONE)])
    prints = []
    for i in (1, 2, 3):
        with Catalogue(tmp_path / f"{i}.sqlite") as catalogue:
            prints.append(catalogue.fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_passing_faults_are_asked_for_again_and_final_ones_never(tmp_path: Path) -> None:
    fates = {"a": Reason.TIMEOUT, "b": Reason.HTTP_GONE, "c": Reason.HTTP_ERROR, "d": Reason.PLACEHOLDER}
    outcomes = [Outcome("flickr", one, Status.FAILED, why) for one, why in fates.items()]
    fill(tmp_path / "c.sqlite", [(one, 0) for one in "abcde"], outcomes)
    with Catalogue(tmp_path / "c.sqlite") as catalogue:
        pending = [one.photo.photo_id for one in catalogue.found("owl") if one.is_pending]
    assert pending == ["a", "c", "e"]


def test_a_class_cannot_be_dropped_from_a_collection(tmp_path: Path) -> None:
    fill(tmp_path / "c.sqlite", [("a", 0)], [])
    with Catalogue(tmp_path / "c.sqlite") as catalogue, pytest.raises(DataError, match="class 'robin'"):
        catalogue.plan(["flickr"], CLASSES[:1])


@pytest.mark.parametrize("content", [b"", b"this is no database at all" * 50])
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(content)
    if content:
        with pytest.raises(DataError, match="not a catalogue"):
            Catalogue(path)
    else:
        with Catalogue(path) as catalogue:
            assert catalogue.counts()["photos"] == 0
    with pytest.raises(DataError, match="no catalogue here"):
        Catalogue(tmp_path / "absent.sqlite")


def test_a_catalogue_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(DataError, match="newer rawlabel"):
        Catalogue(path)


def test_two_writers_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "c.sqlite", [("a", 0)], [])
    other = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Catalogue(tmp_path / "c.sqlite") as catalogue:
        catalogue._connection.execute("PRAGMA busy_timeout = 10")
        with pytest.raises(Exception, match="another rawlabel process"):
            catalogue.record_outcomes([fetched("a")])
    other.close()
