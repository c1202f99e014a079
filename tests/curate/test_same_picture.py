"""One photo that several sources know is kept once in a class, and under no two classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.image_check import Decoded
from rawlabel.config import CurateConfig
from rawlabel.gather.curate.same_picture import Names
from rawlabel.gather.curate.stage import decide
from rawlabel.records import LabelEvent, Outcome, Photo, Reason, Status

KEPT = ("kept", None)


def candidate(
    source: str,
    photo_id: str,
    origin: str = "",
    *,
    class_id: str = "owl",
    skipped: bool = False,
) -> Candidate:
    """A candidate with pixels of its own."""
    outcome = Outcome(
        source, photo_id, Status.FETCHED, stored_sha256=f"{source}{photo_id}", pixel_sha256=f"{source}{photo_id}",
        media_type="image/jpeg",
    )  # fmt: skip
    if skipped:
        outcome = Outcome(source, photo_id, Status.SKIPPED, Reason.SAME_PHOTO)
    photo = Photo(source, photo_id, "http://host/", origin=origin, author_id=f"{source}{photo_id}")
    return Candidate(LabelEvent(source, photo_id, class_id, "k", 0), photo, outcome)


def verdicts(found: list[Candidate], **settings: object) -> list[tuple[str, str | None]]:
    known = {
        digest: Decoded(None, 100, 100, digest)
        for one in found
        if (digest := one.outcome.stored_sha256) is not None
    }
    rows = decide(found, known, CurateConfig(**settings))  # type: ignore[arg-type]
    return [(row.verdict, row.reason) for row in rows]


def test_names_are_followed_from_source_to_source() -> None:
    found = [
        candidate("commons", "7", "flickr:1"),
        candidate("flickr", "1"),
        candidate("openverse", "x", "commons:7"),
        candidate("openverse", "y", "flickr:2"),
    ]
    same = ("rejected", "same_photo")
    assert verdicts(found) == [KEPT, same, same, KEPT]


def test_a_photo_stands_in_for_the_same_one_that_could_not_be_had() -> None:
    failed = candidate("commons", "7", "flickr:1")
    failed = Candidate(failed.event, failed.photo, Outcome("commons", "7", Status.FAILED, Reason.HTTP_GONE))
    assert verdicts([failed, candidate("flickr", "1")]) == [("failed", "http_gone"), KEPT]


def test_one_photo_that_three_sources_know_is_no_placeholder() -> None:
    found = [
        candidate("flickr", "1"),
        candidate("commons", "7", "flickr:1"),
        candidate("openverse", "x", "commons:7"),
    ]
    rows = decide(
        [replaced_pixels(one, "same") for one in found], {"same": Decoded(None, 100, 100, "same")}, CurateConfig()
    )
    assert [row.reason for row in rows] == [None, "same_photo", "same_photo"]


def replaced_pixels(one: Candidate, pixels: str) -> Candidate:
    return replace(one, outcome=replace(one.outcome, stored_sha256=pixels, pixel_sha256=pixels))


@pytest.mark.parametrize(("policy", "expected"), [("drop", "rejected"), ("first", "kept"), ("keep-both", "kept")])
def test_one_photo_of_two_sources_under_two_classes(policy: str, expected: str) -> None:
    found = [candidate("flickr", "1"), candidate("openverse", "x", "flickr:1", class_id="robin")]
    assert verdicts(found, conflicts=policy)[0][0] == expected
    assert verdicts(found, conflicts=policy)[1][0] == ("kept" if policy == "keep-both" else "rejected")


def test_a_photo_that_was_not_downloaded_twice_contradicts_its_other_label_all_the_same() -> None:
    found = [candidate("flickr", "1"), candidate("openverse", "x", "flickr:1", class_id="robin", skipped=True)]
    assert verdicts(found) == [("rejected", "cross_class"), ("rejected", "same_photo")]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_joined_names_are_the_connected_ones(pairs: list[tuple[int, int]]) -> None:
    names = Names()
    components = [{number} for number in range(10)]
    for one, other in pairs:
        names.join(str(one), str(other))
        merged = next(c for c in components if one in c) | next(c for c in components if other in c)
        components = [c for c in components if not c & merged] + [merged]
    for component in components:
        assert len({names.of(str(number)) for number in component}) == 1
    assert len({names.of(str(number)) for number in range(10)}) == len(components)
