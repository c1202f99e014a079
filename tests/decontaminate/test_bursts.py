"""Photos of one owner within minutes of a copy go with it, where the site says who took them and when."""

from __future__ import annotations

import numpy as np
import pytest

from rawlabel.images.image_source import ImageArray
from rawlabel.judge.decontaminate.bursts import BURST_SECONDS, Shot, bursts, shot_of
from rawlabel.judge.decontaminate.comparing import Settings
from rawlabel.judge.decontaminate.decontaminating import decontaminate
from rawlabel.judge.decontaminate.matches import Match


@pytest.mark.parametrize(
    ("author", "taken", "is_told"),
    [
        ("ann", "2020-05-01 10:00:30", True), ("ann", "2020-05-01T10:00:30+02:00", True),
        ("ann", "2020-05-01 00:00:00", False),  # a day, which a site writes as its midnight
        ("ann", "2020-05-01", False), ("ann", "2020", False), ("ann", "in May", False), ("ann", None, False),
        ("", "2020-05-01 10:00:30", False), (None, "2020-05-01 10:00:30", False),
    ],
)  # fmt: skip
def test_a_time_counts_only_to_the_minute_and_with_its_owner(
    author: str | None, taken: str | None, is_told: bool
) -> None:
    shot = shot_of("flickr", author, taken)
    assert (shot is not None) == is_told
    assert shot is None or shot.owner == "flickr:ann"


def test_owners_of_two_sources_are_two() -> None:
    times = "2020-05-01 10:00:30"
    assert shot_of("flickr", "1", times) != shot_of("commons", "1", times)


def test_a_burst_is_of_one_owner_within_minutes_of_the_copy_and_no_chain() -> None:
    taken = [0, BURST_SECONDS, BURST_SECONDS + 1, -90, 10, 2 * BURST_SECONDS]
    owners = ["ann", "ann", "ann", "ann", "bob", "ann"]
    shots: list[Shot | None] = [Shot(owner, at) for owner, at in zip(owners, taken, strict=True)]
    copy = Match(0, 7, "copy", "whole", 3)
    found = bursts([*shots, None], [copy])
    assert [(one.candidate, one.test, one.tier) for one in found] == [(1, 7, "burst"), (3, 7, "burst")]
    assert bursts([None] * 7, [copy]) == []


def test_a_pass_leaves_bursts_out_and_does_not_count_them_as_copies() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)
    tests = ImageArray(pictures[:1], "tests")
    shots: list[Shot | None] = [Shot("ann", 0.0), Shot("ann", 60.0), Shot("ann", 900.0), None, Shot("bob", 0.0)]
    settings = Settings(canaries=False)
    found = decontaminate(ImageArray(pictures, "photos"), tests, None, shots=shots, settings=settings)
    assert [(one.candidate, one.tier) for one in found.removed] == [(0, "equal"), (1, "burst")]
    assert found.overlapping().tolist() == [0]
    certificate = found.certificate("photos", "tests")
    assert [one.tier for one in certificate.removed] == ["equal", "burst"] and certificate.kept.images == 3
    kept = decontaminate(ImageArray(pictures, "photos"), tests, None, settings=settings)
    assert kept.left_out.tolist() == [0]
