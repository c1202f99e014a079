"""Curation: every label event gets one verdict, for a reason, and no label is edited."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.image_check import Decoded, check_image, examine_image, within_limits
from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from rawlabel.artifacts.project import catalogue_path
from rawlabel.artifacts.split import splits_of
from rawlabel.config import CurateConfig, VerifyConfig
from rawlabel.errors import DataError
from rawlabel.gather.curate.stage import curate, decide
from rawlabel.manifests.reading import read_received_manifest
from rawlabel.manifests.verify.findings import Kind
from rawlabel.manifests.verify.stage import verify
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Reason, Status, Verdict
from tests.helpers.collected_project import jpeg, make_project


def candidate(
    photo_id: str, class_id: str, pixels: str | None, *, author: str = "", keyword: str = "k"
) -> Candidate:
    """A candidate whose pixels are named by a letter; None stands for a failed download."""
    status, reason = (Status.FETCHED, None) if pixels else (Status.FAILED, Reason.TIMEOUT)
    return Candidate(
        LabelEvent("flickr", photo_id, class_id, keyword, 0),
        Photo("flickr", photo_id, "http://host/", author_id=author or f"author of {photo_id}"),
        Outcome(
            "flickr", photo_id, status, reason, stored_sha256=pixels, media_type="image/jpeg" if pixels else None
        ),
    )


def decoded(*names: str) -> dict[str, Decoded]:
    return {name: Decoded(None, 100, 100, name) for name in names}


def verdicts(
    candidates: list[Candidate], known: dict[str, Decoded], **settings: object
) -> list[tuple[str, str | None]]:
    rows = decide(candidates, known, CurateConfig(**settings))  # type: ignore[arg-type]
    return [(row.verdict, row.reason) for row in rows]


KEPT = ("kept", None)


def test_the_same_photo_under_two_keywords_counts_once() -> None:
    twice = [candidate("1", "owl", "a", keyword="owl"), candidate("1", "owl", "a", keyword="barn owl")]
    assert verdicts(twice, decoded("a")) == [KEPT, ("rejected", "same_photo")]


def test_of_equal_pixels_in_one_class_the_first_stays() -> None:
    copies = [candidate("1", "owl", "a"), candidate("2", "owl", "a")]
    rows = decide(copies, decoded("a"), CurateConfig())
    assert [row.verdict for row in rows] == ["kept", "rejected"]
    assert (rows[1].reason, rows[1].duplicate_of) == ("exact_duplicate", "1")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("drop", [("rejected", "cross_class"), ("rejected", "cross_class")]),
        ("first", [KEPT, ("rejected", "cross_class")]),
        ("keep-both", [KEPT, KEPT]),
    ],
)
def test_equal_pixels_under_two_classes(policy: str, expected: list[tuple[str, str | None]]) -> None:
    found = [candidate("1", "owl", "a"), candidate("1", "robin", "a")]
    assert verdicts(found, decoded("a"), conflicts=policy) == expected


def test_bytes_under_many_authors_are_a_placeholder_and_none_survives() -> None:
    found = [candidate(str(i), "owl", "gone") for i in range(3)] + [candidate("9", "owl", "a")]
    expected = [("rejected", "placeholder")] * 3 + [KEPT]
    assert verdicts(found, decoded("gone", "a"), placeholder_copies=3) == expected
    one_author = [candidate(str(i), "owl", "gone", author="x") for i in range(3)]
    assert verdicts(one_author, decoded("gone"))[0] == KEPT


def sent(
    number: int, *, url: str | None = None, led_to: str | None = None, stated: tuple[int, int] | None = None
) -> Candidate:
    """A photo of nobody known for which the picture "x" came, which is 100 by 100."""
    one = candidate(str(number), "owl", "x")
    width, height = stated or (None, None)
    photo = replace(one.photo, author_id="", url=url or f"http://host/{number}.jpg", width=width, height=height)
    return replace(one, photo=photo, outcome=replace(one.outcome, final_url=led_to))


GONE = "http://host/pictures/img_0.png"


def under(number: int, class_id: str, **facts: object) -> Candidate:
    """The same bytes for a photo of a known author, found for a class."""
    one = sent(number, **facts)  # type: ignore[arg-type]
    return replace(
        one,
        event=replace(one.event, class_id=class_id),
        photo=replace(one.photo, author_id=f"author {number}"),
        outcome=replace(one.outcome, sha256="bytes"),
    )


@pytest.mark.parametrize(
    ("found", "share", "expected"),
    [
        ([under(1, "owl"), under(2, "owl")], 0.9, "placeholder"),
        ([under(1, "owl"), under(2, "owl")], 0.5, "exact_duplicate"),
        ([under(1, "owl"), under(2, "robin")], 0.5, "cross_class"),
        ([under(1, "owl"), under(2, "robin", stated=(400, 300))], 0.5, "placeholder"),
        ([under(1, "owl", led_to=GONE), under(2, "robin")], 0.5, "placeholder"),
        ([under(1, "owl"), under(2, "owl", stated=(400, 300))], 0.5, "exact_duplicate"),
    ],
    ids=[
        "nearly one color",
        "a copy",
        "a copy under two classes",
        "and of another shape",
        "and led on",
        "one class",
    ],
)
def test_a_placeholder_shows_where_fewer_than_three_came(
    found: list[Candidate], share: float, expected: str
) -> None:
    rows = decide(found, {"x": Decoded(None, 100, 100, "x", uniform_share=share)}, CurateConfig())
    assert rows[1].reason == expected
    assert (rows[0].reason == expected) == (expected != "exact_duplicate")


@pytest.mark.parametrize(
    ("found", "is_kept"),
    [
        ([sent(1), sent(2), sent(3)], True),
        ([sent(n, led_to=f"https://cdn/{n}.jpg") for n in range(3)], True),
        ([sent(n, url="http://host/show.php", led_to="https://cdn/a.jpg") for n in range(2)], True),
        ([sent(1, stated=(90, 90)), sent(2, stated=(300, 310)), sent(3)], True),
        ([sent(7, url="http://host/get/7", led_to="https://cdn/photo-7-large.webp", stated=(300, 310))], True),
        ([sent(1, url="http://host/no-image-today.jpg")], True),
        ([sent(1, led_to=GONE)], True),
        ([sent(1, led_to=GONE), sent(2, led_to=GONE)], False),
        ([sent(1, led_to=GONE, stated=(400, 300))], False),
        ([sent(1, led_to="http://host/photo-not-available.gif")], False),
        ([sent(1, led_to="http://host/image_removed.png"), sent(2)], False),
        ([sent(1, stated=(400, 300)), sent(2, stated=(300, 500))], False),
        ([sent(1, stated=(400, 300))], True),
    ],
    ids=["copies in a folder", "to the same names elsewhere", "one script", "stated shapes", "named after it",
         "a photo called so", "one led on", "led on to one file", "led on, other shape", "led on, called so",
         "and what has its pixels", "other shapes", "a wrong size"],
)  # fmt: skip
def test_copies_of_a_photo_are_kept_once_and_placeholders_never(found: list[Candidate], is_kept: bool) -> None:
    rows = verdicts(found, decoded("x"))
    if is_kept:
        assert rows[0] == KEPT
        assert set(rows[1:]) <= {("rejected", "exact_duplicate")}
    else:
        assert set(rows) == {("rejected", "placeholder")}


pixels = st.sampled_from(["a", "b", "c", "small", None])
finds = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["owl", "robin"]), st.sampled_from(["k", "l"])), unique=True
)


@given(
    finds=finds,
    shows=st.lists(pixels, min_size=7, max_size=7),
    policy=st.sampled_from(["drop", "first", "keep-both"]),
)
def test_every_candidate_gets_one_verdict_and_keeps_its_label(
    finds: list[tuple[int, str, str]], shows: list[str | None], policy: str
) -> None:
    found = [candidate(str(i), where, shows[i], keyword=word) for i, where, word in finds]
    known = decoded("a", "b", "c") | {"small": Decoded(Reason.TOO_SMALL, 5, 5, "small")}
    rows = decide(found, known, CurateConfig(conflicts=policy))  # type: ignore[arg-type]
    assert [(row.photo_id, row.class_id, row.keyword) for row in rows] == [
        (str(i), where, word) for i, where, word in finds
    ]
    for row in rows:
        assert (row.verdict == Verdict.KEPT) == (row.reason is None) == (row.split is not None)
    kept = [(row.pixel_sha256, row.class_id) for row in rows if row.verdict == Verdict.KEPT]
    assert len(kept) == len(set(kept))
    if policy != "keep-both":
        assert len({one for one, _ in kept}) == len(kept)


def test_the_split_is_stable_and_follows_the_author() -> None:
    authors = [f"flickr:{i}" for i in range(4000)]

    def held_out(seed: int, share: float) -> set[str]:
        parts = splits_of(authors, ["owl"] * len(authors), seed, share)
        return {author for author, part in zip(authors, parts, strict=True) if part == "holdout"}

    held = held_out(0, 0.1)
    assert 0.08 < len(held) / len(authors) < 0.12
    assert held <= held_out(0, 0.2)
    assert held != held_out(1, 0.1)
    series = [candidate(str(i), "owl", name, author="same") for i, name in enumerate("abc")]
    rows = decide(series, decoded("a", "b", "c"), CurateConfig(holdout=0.5))
    assert len({row.split for row in rows}) == 1


HEADER = b"\xff\xc0\x00\x11\x08"
"""What stands before height and width in a JPEG's frame header."""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (jpeg((64, 48)), None),
        (jpeg((64, 31)), Reason.TOO_SMALL),
        (jpeg((64, 48))[:-600], Reason.TRUNCATED),
        (b"<html>not found</html>", Reason.NOT_AN_IMAGE),
        (b"", Reason.NOT_AN_IMAGE),
        (jpeg((64, 48)).replace(HEADER + b"\x00\x30\x00\x40", HEADER + b"\xea\x60\xea\x60"), Reason.TOO_LARGE),
    ],
    ids=["good", "small", "cut short", "web page", "empty", "60,000 x 60,000 pixels claimed"],
)  # fmt: skip
def test_what_is_wrong_with_a_file(tmp_path: Path, data: bytes, reason: Reason | None) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    assert check_image(path, 32, 64.0).reason is reason


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P", "1", "I;16", "RGBA"])
@pytest.mark.parametrize("shows", [False, True])
def test_a_picture_of_one_color_is_flat_in_every_mode(mode: str, shows: bool) -> None:
    picture = Image.new("RGB", (90, 70), (255, 255, 255))
    if shows:
        picture.paste((0, 0, 0), (30, 20, 60, 50))
    if mode == "I;16":
        deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        picture = Image.fromarray(deep)
    else:
        picture = picture.convert(mode)
    stream = BytesIO()
    picture.save(stream, "TIFF")
    decoded, found = examine_image(stream.getvalue(), 64.0)
    assert found is not None
    assert within_limits(decoded, 32, 64.0).reason is (None if shows else Reason.FLAT)


def test_files_that_differ_in_metadata_only_have_equal_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    for name, data in (("a", jpeg((40, 40))), ("b", jpeg((40, 40), exif=exif))):
        (tmp_path / name).write_bytes(data)
    one, two = (check_image(tmp_path / name, 32, 64.0) for name in "ab")
    assert one.pixel_sha256 == two.pixel_sha256
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_manifest_is_frozen_and_repeatable(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    first = curate(CurateConfig(project=project))
    before = hashlib.sha256(first.path.read_bytes()).hexdigest()
    again = curate(CurateConfig(project=project))
    assert again.path == first.path
    assert hashlib.sha256(again.path.read_bytes()).hexdigest() == before
    other = curate(CurateConfig(project=project, seed=1))
    assert other.path != first.path
    assert first.path.exists()
    read = read_manifest(first.path)
    assert read.table.equals(first.table)
    assert (read.fingerprint, read.class_ids) == (first.fingerprint, ["owl", "robin"])
    assert all((project / path).is_file() for path in read.kept()["path"].to_pylist())
    for row in (*read.funnel.classes, read.funnel.total):
        assert row.found == row.kept + row.rejected + row.failed


def test_a_set_with_nothing_left_is_named_with_the_reasons(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    with pytest.raises(DataError, match=r"no photo of any class is left.*24: the image is smaller"):
        curate(CurateConfig(project=project, min_side=1000))


def test_a_class_with_no_photo_left_is_left_out_with_a_warning_that_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path)
    with Catalogue(catalogue_path(project)) as catalogue:
        # All addresses of one class are dead; another is an empty folder (`__MACOSX`).
        gone = [one.photo for one in catalogue.candidates() if one.event.class_id == "owl"]
        catalogue.record_outcomes(
            Outcome(one.source, one.photo_id, Status.FAILED, Reason.HTTP_GONE) for one in gone
        )
        catalogue.plan(["flickr"], [*catalogue.classes(), ClassSpec("__MACOSX", "MACOSX", ("MACOSX",))])
    assert cli.run(["curate", str(project)]) == 0
    assert "note: class 'owl' is left out: none of its 12 label events is kept" in capsys.readouterr().err
    path = newest_manifest(project)
    assert path is not None
    for manifest in (read_manifest(path), read_received_manifest(path)):
        assert manifest.class_ids == ["robin"]
        assert [spec.class_id for spec in manifest.left_out] == ["owl", "__MACOSX"]
        assert len(manifest.warnings()) == 2
        counts = {row["class_id"]: row["found"] for row in manifest.funnel.as_json()}
        assert counts == {"robin": 12, "owl": 12, "__MACOSX": 0, "all": 24}
    # The bytes of the class belong to no photo now; the manifest is whole.
    assert {finding.kind for finding in verify(VerifyConfig(project=project))} == {Kind.STRAY}
    # A manifest of now is made of the same decisions when it is made anew.
    assert curate(CurateConfig(project=project)).path == path


@pytest.mark.parametrize("content", [b"no parquet", b""])
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not a manifest"):
        read_manifest(path)
    with pytest.raises(DataError, match="no such manifest"):
        read_manifest(tmp_path / "absent.parquet")
