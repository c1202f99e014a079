"""One picture on several sites is kept once in a class, and under no two classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.copies.fingerprint import NEAR_COPY_BITS
from rawlabel.artifacts.image_check import Decoded, different_bits
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
    picture: str = "",
    skipped: bool = False,
) -> Candidate:
    """A candidate with pixels of its own, whose perceptual hash is `picture`."""
    outcome = Outcome(
        source, photo_id, Status.FETCHED, stored_sha256=f"{source}{photo_id}", pixel_sha256=f"{source}{photo_id}",
        perceptual_hash=picture or None, media_type="image/jpeg",
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


def flipped(picture: str, bits: int) -> str:
    return f"{int(picture, 16) ^ ((1 << bits) - 1):064x}"


PICTURE = "0123456789abcdef" * 4


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


@pytest.mark.parametrize(("policy", "expected"), [("reject", "rejected"), ("first", "kept"), ("keep", "kept")])
def test_one_photo_of_two_sources_under_two_classes(policy: str, expected: str) -> None:
    found = [candidate("flickr", "1"), candidate("openverse", "x", "flickr:1", class_id="robin")]
    assert verdicts(found, cross_class=policy)[0][0] == expected
    assert verdicts(found, cross_class=policy)[1][0] == ("kept" if policy == "keep" else "rejected")


def test_a_photo_that_was_not_downloaded_twice_contradicts_its_other_label_all_the_same() -> None:
    found = [candidate("flickr", "1"), candidate("openverse", "x", "flickr:1", class_id="robin", skipped=True)]
    assert verdicts(found) == [("rejected", "cross_class"), ("rejected", "same_photo")]


@pytest.mark.parametrize(
    ("other", "bits", "is_copy"),
    [
        ("commons", NEAR_COPY_BITS, True),
        ("commons", NEAR_COPY_BITS + 1, False),
        ("flickr", 0, False),
    ],
    ids=["another site", "another picture", "the same site"],
)
def test_near_copies_on_different_sites_are_kept_once(other: str, bits: int, is_copy: bool) -> None:
    found = [
        candidate("flickr", "1", picture=PICTURE),
        candidate(other, "2", picture=flipped(PICTURE, bits)),
        candidate(other, "3", picture=flipped(PICTURE, bits), class_id="robin"),
    ]
    assert verdicts(found) == [KEPT, ("rejected", "near_duplicate") if is_copy else KEPT, KEPT]


def test_an_index_may_hold_one_picture_from_two_sites() -> None:
    found = [
        candidate("openverse", "x", "flickr:1", picture=PICTURE),
        candidate("openverse", "y", "commons:7", picture=flipped(PICTURE, 9)),
    ]
    assert verdicts(found) == [KEPT, ("rejected", "near_duplicate")]


@given(
    seed=st.integers(0, 2**32 - 1),
    shown=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["owl", "robin"])), max_size=12
    ),
)
def test_near_copies_are_those_that_a_comparison_of_all_pairs_finds(
    seed: int, shown: list[tuple[str, int, str]]
) -> None:
    rng = np.random.default_rng(seed)
    bases = [rng.bytes(32).hex() for _ in range(4)]
    found = [
        candidate(source, str(number), class_id=class_id, picture=flipped(bases[base], int(rng.integers(0, 70))))
        for number, (source, base, class_id) in enumerate(shown)
    ]
    kept: list[Candidate] = []
    for one, (verdict, _) in zip(found, verdicts(found, cross_class="keep"), strict=True):
        is_copy = any(
            other.photo.source != one.photo.source
            and other.event.class_id == one.event.class_id
            and different_bits(other.outcome.perceptual_hash or "", one.outcome.perceptual_hash or "")
            <= NEAR_COPY_BITS
            for other in kept
        )
        assert (verdict == "rejected") == is_copy
        if not is_copy:
            kept.append(one)


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
