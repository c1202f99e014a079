"""One list says which files are images; a walk finds all of them and counts the others."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from rawlabel.artifacts.image_check import check_image
from rawlabel.base.image_files import (
    ELSEWHERE,
    EXTENSION_OF_MEDIA_TYPE,
    IMAGE_EXTENSIONS,
    IMAGE_FORMATS,
    NO_EXTENSION,
    SPECIAL,
    describe_ignored,
    images_below,
    sniff_media_type,
)
from rawlabel.base.image_pixels import orientation_of
from rawlabel.records import Reason


def test_all_that_torchvision_reads_is_read() -> None:
    assert set(IMG_EXTENSIONS) <= IMAGE_EXTENSIONS


@pytest.mark.parametrize("one", IMAGE_FORMATS, ids=lambda one: one.pillow_name)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_each_format_is_known_by_its_first_bytes_and_decoded_by_both_libraries(one, mode: str) -> None:
    stream = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(stream, one.pillow_name)
    data = stream.getvalue()
    assert sniff_media_type(data) == one.media_type
    assert EXTENSION_OF_MEDIA_TYPE[one.media_type] == one.extensions[0]
    checked = check_image(data, 64, 1)
    assert (checked.reason, checked.width, checked.height) == (None, 90, 80)
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (80, 90, 3)


@pytest.mark.parametrize(("limit", "reason"), [(1.0, None), (0.007, Reason.TOO_LARGE)])
def test_no_other_limit_of_pixels_holds_than_the_one_that_is_given(
    limit: float, reason: Reason | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    pixels = np.random.default_rng(1).integers(0, 255, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG", exif=exif)
    # Pillow refuses what has twice as many; whoever opens a picture first lifts that.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert orientation_of(stream.getvalue(), ("PNG",)) == 3
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    checked = check_image(stream.getvalue(), 64, limit)
    assert (checked.reason, checked.width, checked.height) == (reason, 90, 80)


@pytest.mark.parametrize("data", [b"", b"BM", b"P", b"BMW and other cars", b"P5", b"\0\0\0 ftypisom" + bytes(30)])
def test_what_only_begins_like_an_image_is_none(data: bytes) -> None:
    assert sniff_media_type(data) == "application/octet-stream"


NAMES = st.builds(
    lambda stem, extension: stem + extension,
    st.sampled_from(["a", "b", ".hidden", "x.tar", "ü", "photo (1)"]),
    st.sampled_from([*sorted(IMAGE_EXTENSIONS), ".JPG", ".Tif", ".txt", ".mp4", ""]),
)
FOLDERS = st.lists(st.sampled_from(["one", "two.jpg", ".ipynb_checkpoints"]), max_size=3)


@given(st.lists(st.tuples(FOLDERS, NAMES), max_size=12))
def test_every_visible_file_is_listed_or_counted(tmp_path_factory: pytest.TempPathFactory, drawn) -> None:
    tree = tmp_path_factory.mktemp("tree")
    paths = {"/".join([*folders, name]) for folders, name in drawn}
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).touch()
    visible = {path for path in paths if not any(part.startswith(".") for part in path.split("/"))}
    images = {path for path in visible if Path(path).suffix.lower() in IMAGE_EXTENSIONS}
    found = images_below(tree)
    assert [name for name, _ in found.files] == sorted(images)
    assert all(entry.path == str(tree / name) for name, entry in found.files)
    others = Counter(Path(path).suffix.lower() or NO_EXTENSION for path in visible - images)
    assert found.ignored == others


def test_links_are_followed_once_and_not_out_of_the_tree_where_that_is_forbidden(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    for folder in (outside, tree / "a" / "deep"):
        folder.mkdir(parents=True)
        (folder / "x.jpg").touch()
    (tree / "a" / "up").symlink_to(tree)
    (tree / "a" / "beside").symlink_to(tree / "a" / "deep")
    (tree / "a" / "out").symlink_to(outside)
    os.mkfifo(tree / "a" / "pipe.jpg")
    (tree / "b").mkdir()
    (tree / "b" / "of another class.jpg").touch()
    found = images_below(tree / "a")
    assert [name for name, _ in found.files] == ["beside/x.jpg", "deep/x.jpg", "out/x.jpg"]
    assert found.ignored == {SPECIAL: 1}
    kept = images_below(tree / "a", inside=tree)
    assert [name for name, _ in kept.files] == ["beside/x.jpg", "deep/x.jpg"]
    assert kept.ignored == {SPECIAL: 1, ELSEWHERE: 1}


def test_ignored_files_in_words() -> None:
    assert describe_ignored({NO_EXTENSION: 2, ".txt": 3_000}) == "3,002 (3,000 .txt, 2 without extension)"
