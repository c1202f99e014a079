"""Of photos that show nearly the same picture one is kept, whatever their source, and under no two classes."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel import cli
from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.copies.fingerprint import fingerprint
from rawlabel.artifacts.copies.listed import listed_copies
from rawlabel.artifacts.copies.stars import Copy
from rawlabel.artifacts.copies.store import FingerprintStore, fingerprints_folder
from rawlabel.artifacts.decision import Decision
from rawlabel.artifacts.image_check import Decoded
from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from rawlabel.config import CurateConfig
from rawlabel.gather.curate import examining
from rawlabel.gather.curate.answer_lists import AnswerLists
from rawlabel.gather.curate.near_copies import listed
from rawlabel.gather.curate.stage import curate, decide_with
from rawlabel.manifests.reading import read_received_manifest
from rawlabel.records import LabelEvent, Outcome, Photo, Reason, Status
from tests.helpers.pictures import photo
from tests.helpers.processes import AtOpen, forked
from tests.helpers.stored_photos import jpeg, project_of

KEPT = None


def candidate(
    name: str, class_id: str, *, source: str = "flickr", author: str = "", uploaded: int = 0
) -> Candidate:
    outcome = Outcome(source, name, Status.FETCHED, stored_sha256=name, pixel_sha256=name, media_type="image/jpeg")
    facts = Photo(source, name, "http://host/", author_id=author or f"author of {name}", uploaded_at=uploaded)
    return Candidate(LabelEvent(source, name, class_id, "k", 0), facts, outcome)


def finder(pairs: Sequence[tuple[str, str]]) -> Callable[[Sequence[str]], list[Copy]]:
    """Stars of the pairs, as the search for copies makes them of the best first."""

    def find(digests: Sequence[str]) -> list[Copy]:
        alike = {frozenset(pair) for pair in pairs}
        taken: set[int] = set()
        found = []
        for one, other in combinations(range(len(digests)), 2):
            if one not in taken and frozenset((digests[one], digests[other])) in alike:
                found.append(Copy(one, other, "near copy", 20, 0.9, is_member=other not in taken))
                taken.add(other)
        return found

    return find


def decided(found: list[Candidate], pairs: Sequence[tuple[str, str]], **settings: object) -> list[Decision]:
    sizes = {one.outcome.stored_sha256 or "": 100 for one in found} | {"large": 400}
    known = {name: Decoded(None, side, side, name) for name, side in sizes.items()}
    config = CurateConfig(**settings)  # type: ignore[arg-type]
    return decide_with(AnswerLists(), found, known, config, finder(pairs)).decisions


@pytest.mark.parametrize("source", ["flickr", "commons"])
def test_the_largest_then_the_earliest_stays(source: str) -> None:
    found = [candidate("b", "owl", uploaded=5), candidate("a", "owl", uploaded=5, source=source)]
    found += [candidate("c", "owl", uploaded=4), candidate("large", "owl", uploaded=9), candidate("d", "owl")]
    of_all = list(combinations(["a", "b", "c", "large"], 2))
    rows = decided(found, of_all)
    assert [row.reason for row in rows] == ["near_duplicate"] * 3 + [KEPT, KEPT]
    assert {row.duplicate_of for row in rows[:3]} == {"large"}
    assert [row.copy_group for row in rows] == ["flickr:large"] * 4 + [None]
    rows = decided([*found[:3], found[4]], of_all)
    assert [row.reason for row in rows] == ["near_duplicate", "near_duplicate", KEPT, KEPT]


@pytest.mark.parametrize("class_id", ["owl", "robin"])
def test_what_the_pixels_do_not_confirm_stays_and_is_listed(class_id: str) -> None:
    found = [candidate("a", "owl"), candidate("b", class_id)]
    known = {name: Decoded(None, 100, 100, name) for name in "ab"}
    doubt = Copy(0, 1, "near copy", 44, 0.9, is_member=False, is_sure=False)
    made = decide_with(AnswerLists(), found, known, CurateConfig(), lambda _: [doubt])
    assert [one.is_kept for one in made.decisions] == [True, True]
    assert [(one.best, one.copy, one.kind, one.is_conflict) for one in listed(made.decisions, made.stars)] == [
        ("flickr:a", "flickr:b", "look-alike", False)
    ]


def test_a_copy_of_a_copy_stays() -> None:
    rows = decided(
        [candidate(name, "owl", uploaded=at) for at, name in enumerate("abc")], [("a", "b"), ("b", "c")]
    )
    assert [row.reason for row in rows] == [KEPT, "near_duplicate", KEPT]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("drop", ["cross_class"] * 3 + [KEPT]),
        ("first", [KEPT, "cross_class", "cross_class", KEPT]),
        ("keep-both", [KEPT, KEPT, "near_duplicate", KEPT]),
    ],
)
def test_near_copies_under_two_classes_contradict_each_other(policy: str, expected: list[str | None]) -> None:
    """The class that came first is not that of the best picture."""
    found = [candidate("b", "owl"), candidate("large", "robin"), candidate("c", "robin"), candidate("d", "owl")]
    rows = decided(found, [("large", "b"), ("large", "c")], conflicts=policy)
    assert [row.reason for row in rows] == expected
    assert {row.copy_group for row in rows[:3]} == {"flickr:large"}


def test_a_photo_that_was_found_for_two_classes_speaks_against_its_near_copies() -> None:
    twice = [candidate("large", "owl"), candidate("large", "robin"), candidate("b", "owl")]
    assert [row.reason for row in decided(twice, [("large", "b")])] == ["cross_class"] * 3
    rows = decided(twice, [("large", "b")], conflicts="first")
    assert [row.reason for row in rows] == [KEPT, "cross_class", "near_duplicate"]


@given(
    pairs=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"))),
    classes=st.lists(st.sampled_from(["owl", "robin"]), min_size=8, max_size=8),
    authors=st.lists(st.sampled_from("xyz"), min_size=8, max_size=8),
    policy=st.sampled_from(["drop", "first", "keep-both"]),
    seed=st.integers(0, 50),
)
def test_what_is_left_holds_no_copy_and_none_straddles_the_split(
    pairs: list[tuple[str, str]], classes: list[str], authors: list[str], policy: str, seed: int
) -> None:
    found = [
        candidate(name, class_id, author=author)
        for name, class_id, author in zip("abcdefgh", classes, authors, strict=True)
    ]
    rows = decided(found, pairs, conflicts=policy, seed=seed, holdout=0.4)
    assert [(row.photo_id, row.class_id) for row in rows] == list(zip("abcdefgh", classes, strict=True))
    known = {row.photo_id: row for row in rows}
    for one, other in ((known[a], known[b]) for a, b in pairs if a != b):
        if one.is_kept and other.is_kept:
            assert (policy == "keep-both" and one.class_id != other.class_id) or one.copy_group != other.copy_group
            if one.copy_group == other.copy_group and one.copy_group:
                assert one.split == other.split and one.group == other.group
    for row in rows:
        if row.reason is Reason.NEAR_DUPLICATE:
            best = known[row.duplicate_of or ""]
            assert best.is_kept and best.class_id == row.class_id


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Owls and robins, with a small copy, a mirrored one, a framed one, and one under the other class."""
    pictures = {number: photo(number, 200) for number in range(8)}
    photos = [(f"owl{number}", "owl", jpeg(pictures[number])) for number in range(4)]
    photos += [(f"robin{number}", "robin", jpeg(pictures[number])) for number in range(4, 8)]
    framed = cv2.copyMakeBorder(pictures[2], 14, 9, 20, 11, cv2.BORDER_CONSTANT, value=[255, 255, 255])
    photos += [
        ("small", "owl", jpeg(cv2.resize(pictures[0], (110, 96), interpolation=cv2.INTER_AREA), 50)),
        ("turned", "owl", jpeg(np.ascontiguousarray(pictures[1][:, ::-1]), 60)),
        ("framed", "owl", jpeg(framed, 80)),
        ("other", "owl", jpeg(pictures[5], 55)),
        ("white", "owl", jpeg(np.full((90, 90, 3), 250, np.uint8))),
    ]
    return project_of(tmp_path / "p", photos)


def test_curate_keeps_one_of_each_picture_and_lists_the_pairs(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["curate", str(copied)]) == 0
    said = capsys.readouterr().out
    assert "found 13 = kept 7 + rejected 6 + failed 0" in said
    path = newest_manifest(copied)
    assert path is not None
    rows = {row["photo_id"]: row for row in read_received_manifest(path).table.to_pylist()}
    lost = {name: row["reason"] for name, row in rows.items() if row["reason"]}
    assert lost == {
        "small": "near_duplicate", "turned": "near_duplicate", "owl2": "near_duplicate", "white": "flat",
        "robin5": "cross_class", "other": "cross_class",
    }  # fmt: skip
    pairs = {(one.best, one.copy): one for one in listed_copies(path)}
    assert {key: one.kind for key, one in pairs.items()} == {
        ("flickr:owl0", "flickr:small"): "near copy", ("flickr:owl1", "flickr:turned"): "mirror image",
        ("flickr:framed", "flickr:owl2"): "without borders", ("flickr:other", "flickr:robin5"): "near copy",
    }  # fmt: skip
    conflict = pairs["flickr:other", "flickr:robin5"]
    assert conflict.is_conflict and (conflict.best_reason, conflict.copy_reason) == ("cross_class", "cross_class")
    assert conflict.bits is not None and conflict.bits <= 51 and conflict.likeness > 0.9
    assert (copied / (conflict.copy_path or "")).is_file()
    assert not pairs["flickr:owl0", "flickr:small"].is_conflict


def test_near_copies_may_stay(copied: Path) -> None:
    manifest = curate(CurateConfig(project=copied, near_copies=False))
    assert manifest.funnel.total.kept == 12
    assert listed_copies(manifest.path) == []


def test_a_manifest_without_a_list_of_copies_has_none(copied: Path) -> None:
    manifest = curate(CurateConfig(project=copied))
    manifest.path.with_name("copies.parquet").unlink()
    assert listed_copies(manifest.path) == []
    assert read_manifest(manifest.path).fingerprint == manifest.fingerprint


def test_a_photo_is_decoded_once(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = curate(CurateConfig(project=copied))
    monkeypatch.setattr(examining, "examine_image", None)
    again = curate(CurateConfig(project=copied))
    assert (again.fingerprint, again.table) == (first.fingerprint, first.table)
    assert curate(CurateConfig(project=copied, min_side=205)).funnel.total.kept < first.funnel.total.kept
    # What is gone is not taken for known.
    name = next(path for path in first.kept()["path"].to_pylist() if path)
    (copied / name).unlink()
    monkeypatch.undo()
    with pytest.raises(Exception, match="cannot be read"):
        curate(CurateConfig(project=copied))


@dataclass
class AtPiece(AtOpen):
    """Kills itself as it opens its file of this number among fingerprints, of which few make a piece."""

    def prepare(self) -> None:
        examining.PIECE = 4
        super().prepare()


@pytest.mark.integration
@pytest.mark.parametrize(("opened", "pieces_left"), [(2, 0), (5, 1)])
def test_killed_among_fingerprints_it_goes_on_to_the_same_manifest(
    copied: Path, tmp_path: Path, opened: int, pieces_left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shutil.copytree(copied, tmp_path / "whole")
    folder = fingerprints_folder(copied)
    ended = forked(["curate", copied], by_self=AtPiece(opened, folder))
    assert ended.code == -signal.SIGKILL and newest_manifest(copied) is None
    assert len(list(folder.glob("*.keys.npy"))) == pieces_left
    looked: list[str] = []
    really = examining.examine_stored

    def examine(photos: Any, config: CurateConfig, name: str) -> Any:
        looked.append(name)
        return really(photos, config, name)

    monkeypatch.setattr(examining, "PIECE", 4)
    monkeypatch.setattr(examining, "examine_stored", examine)
    again = curate(CurateConfig(project=copied))
    # Nothing of a whole piece is decoded again.
    assert len(looked) == 13 - 4 * pieces_left
    expected = curate(CurateConfig(project=whole))
    assert again.fingerprint == expected.fingerprint and again.table == expected.table
    assert listed_copies(again.path) == listed_copies(expected.path)


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_damaged_pieces_are_made_again(copied: Path, damage: bytes | None) -> None:
    first = curate(CurateConfig(project=copied))
    for path in fingerprints_folder(copied).glob("*.npy"):
        if damage is None and not path.name.endswith(".keys.npy"):
            path.unlink()
        elif damage is not None:
            path.write_bytes(damage)
    assert curate(CurateConfig(project=copied)).fingerprint == first.fingerprint


def test_processes_may_add_to_one_store(tmp_path: Path) -> None:
    ones = {f"{number:064x}": fingerprint(photo(number)) for number in range(4)}
    first, second = FingerprintStore(tmp_path), FingerprintStore(tmp_path)
    first.add(ones)
    second.add(ones)
    second.add({f"{9:064x}": fingerprint(photo(9))})
    both = FingerprintStore(tmp_path)
    digests = [*ones, f"{9:064x}"]
    assert all(digest in both for digest in digests) and f"{10:064x}" not in both
    for digest, one in zip(digests, both.fingerprints(digests), strict=True):
        wanted = ones.get(digest, fingerprint(photo(9)))
        assert one[:-1] == wanted[:-1] and (one.thumbnail == wanted.thumbnail).all()
