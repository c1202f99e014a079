"""Class folders as they come: nested, of many formats, with strays; what ImageFolder reads is read, and more."""

from __future__ import annotations

import io
import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import ImageFolder

from rawlabel.base.image_files import IMAGE_FORMATS
from rawlabel.config import CurateConfig, PackConfig
from rawlabel.errors import DataError
from rawlabel.gather.curate.stage import curate
from rawlabel.images.decoding import read_pixels
from rawlabel.images.input import InputRequest, read_input
from rawlabel.images.inputs import class_folders as class_folders_input
from rawlabel.images.packing import pack
from rawlabel.training.data import load_training_data
from tests.helpers.collected_project import make_project
from tests.helpers.input_writers import files_of, write_parquet, write_tars
from tests.helpers.tiny_training import make_class_folders, tiny

SHADES = {}
for _format in IMAGE_FORMATS:
    _stream = io.BytesIO()
    Image.new("RGB", (20, 18), (200, 40, 40)).save(_stream, _format.pillow_name)
    SHADES |= dict.fromkeys(_format.extensions, _stream.getvalue())

NAMES = st.text(
    st.characters(exclude_characters="/\0\\.", exclude_categories=("Cs",)), min_size=1, max_size=8
).filter(lambda name: unicodedata.normalize("NFC", name) == name)
CLASS_NAMES = NAMES | st.sampled_from(["data", "a.tar", "b.parquet", "c.jpg", "index.npy", "train", "barn owl"])
STRAYS = st.sampled_from(
    ["flower_photos.tar", "metadata.parquet", "index.npy", "manifest.parquet", "notes.txt", "README", "._x.jpg",
     ".DS_Store", "Thumbs.db", "photo.jpg.part", "movie.mp4", "PIPE.jpg"]
)  # fmt: skip
# With two dots: as "d.jpg" it might be called as a file beside it.
FILES = st.dictionaries(
    st.tuples(st.lists(NAMES | st.sampled_from(["a.d.jpg", ".ipynb_checkpoints"]), max_size=2).map(tuple), NAMES),
    st.sampled_from(sorted(SHADES)).flatmap(lambda ending: st.sampled_from([ending, ending.upper()])),
    min_size=1,
    max_size=4,
)
TREES = st.dictionaries(CLASS_NAMES, st.tuples(FILES, st.lists(STRAYS, max_size=3)), min_size=2, max_size=4)


def write_tree(root: Path, tree: dict, strays: list[str]) -> tuple[set[str], bool]:
    """Write the tree; return the images in it, and whether there are visible files that are none."""
    expected, written = set(), []
    for class_id, (files, own_strays) in tree.items():
        folder = root / class_id
        folder.mkdir(parents=True)
        (folder / "0.png").write_bytes(SHADES[".png"])
        expected.add(f"{class_id}/0.png")
        for (folders, name), ending in files.items():
            place = folder.joinpath(*folders)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}{ending}").write_bytes(SHADES[ending.lower()])
            if not any(one.startswith(".") for one in folders):
                expected.add("/".join((class_id, *folders, f"{name}{ending}")))
        for stray in own_strays:
            written += write_stray(folder / stray)
    for stray in strays:
        written += write_stray(root / stray)
    return expected, any(not name.startswith(".") for name in written)


def write_stray(path: Path) -> list[str]:
    if path.exists():
        return []
    if path.name == "PIPE.jpg":
        os.mkfifo(path)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"verdict": ["kept"], "url": ["a"]}), path)
    else:
        path.write_bytes(b"stray")
    return [path.name]


@given(TREES, st.lists(STRAYS, max_size=4))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_image_of_any_tree_is_read_and_nothing_else(tree: dict, strays: list[str]) -> None:
    with TemporaryDirectory() as place:
        root = Path(place) / "set"
        expected, has_strays = write_tree(root, tree, strays)
        found = read_input(root, InputRequest())
        names = found.images.names()
        assert set(names) == expected and len(names) == len(expected)
        assert found.class_ids == tuple(sorted(tree))
        assert [found.class_ids[label] for label in found.images.labels] == [one.split("/")[0] for one in names]
        for row in range(len(names)):
            assert read_pixels(found.images.source, row, None).shape == (18, 20, 3)
        assert bool(found.ignored) == has_strays
        # What torchvision reads, hidden and special files aside, is among it.
        theirs = {
            Path(path).relative_to(root).as_posix()
            for path, _ in ImageFolder(str(root), allow_empty=True).samples
            if Path(path).is_file() and not any(one.startswith(".") for one in Path(path).relative_to(root).parts)
        }
        assert theirs <= expected
        facts = pack(PackConfig(source=root, out=Path(place) / "pack", mode="copy"))
        assert (facts["found"], facts["packed"], facts["ignored"]) == (len(names), len(names), found.ignored)
        # The same in other formats: the names, of whatever signs, with their labels and bytes.
        files = files_of(root)
        numbered = [f"{Path(name).parent}/{row}-{Path(name).name}" for row, name in enumerate(names)]
        write_tars(Path(place) / "tars", "train", (numbered, *files[1:]), [*map(str, range(len(tree)))])
        listed = json.dumps({"classes": [{"class_id": one} for one in sorted(tree)]})
        (Path(place) / "tars" / "index.json").write_text(listed)
        write_parquet(Path(place) / "set" / "train.parquet", files)
        for other, names_there in (("pack", names), ("tars", numbered), ("set", None)):
            again = read_input(Path(place) / other, InputRequest())
            assert again.class_ids == found.class_ids
            assert again.images.labels.tolist() == files[2]
            assert names_there is None or again.images.names() == names_there
            for row, one in enumerate(files[1]):
                assert bytes(again.images.source.read(row)) == one


@pytest.mark.parametrize(
    ("stray", "told"),
    [
        ("metadata.parquet", "or take metadata.parquet away, if the folders beside it are the classes"),
        ("scores.parquet", r"scores\.parquet: has 0 columns of images; name one with --image-column"),
        ("flower_photos.tar", r"flower_photos\.tar: is not a whole tar file"),
    ],
)
def test_a_stray_file_beside_the_folder_of_one_class_is_named(tmp_path: Path, stray: str, told: str) -> None:
    """One folder may be that of another format's photos, so the file decides there."""
    root = make_class_folders(tmp_path / "test", 2, 0)
    for one in ("green", "blue"):
        shutil.rmtree(root / one)
    write_stray(root / stray)
    if stray == "scores.parquet":
        pq.write_table(pa.table({"name": ["a"], "score": [1.0]}), root / stray)
    with pytest.raises(DataError, match=told):
        read_input(root, InputRequest())


@pytest.mark.parametrize("kind", ["shards", "table"])
def test_a_folder_of_images_beside_another_format_is_told(tmp_path: Path, kind: str) -> None:
    files = files_of(make_class_folders(tmp_path / "candidate", 4, 0))
    if kind == "shards":
        write_tars(tmp_path / "set", "train", files)
    else:
        write_parquet(tmp_path / "set" / "train.parquet", files)
    assert read_input(tmp_path / "set", InputRequest()).ignored == ""
    shutil.copytree(tmp_path / "candidate" / "red", tmp_path / "set" / "red")
    line = load_training_data(tiny(tmp_path, main="set", holdout=0)).counts()
    assert line.endswith("12 training images of 3 classes, 0 held out; ignored the images in red")


def test_photos_of_a_phone_are_read_with_the_extra_and_named_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heif = pytest.importorskip("pillow_heif")
    root = make_class_folders(tmp_path / "candidate", 3, 0)
    heif.from_pillow(Image.new("RGB", (64, 48), (200, 40, 40))).save(root / "red" / "phone.heic")
    found = read_input(root, InputRequest())
    assert len(found.images) == 10 and not found.ignored
    source = found.images.source
    row = found.images.names().index("red/phone.heic")
    assert np.abs(read_pixels(source, row, None).astype(int) - (200, 40, 40)).max() < 12
    monkeypatch.setattr(class_folders_input, "extra_extensions", frozenset)
    line = load_training_data(tiny(tmp_path, holdout=0)).counts()
    assert line.endswith("0 held out; ignored 1 (1 .heic); `rawlabel[heic]` reads .heic")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda root: (root / os.fsdecode(b"ey\xff")).mkdir(), r"class folder b'ey\\xff' is no UTF-8; rename it"),
        (
            lambda root: [(root / unicodedata.normalize(form, "café")).mkdir() for form in ("NFC", "NFD")],
            "two class folders are called 'café', in different Unicode forms",
        ),
        (lambda root: (root / "wren").mkdir(), "wren: holds no images; add some or remove the folder"),
    ],
)
def test_class_folders_that_cannot_be_classes_are_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    root = make_class_folders(tmp_path / "candidate", 2, 0)
    spoil(root)
    with pytest.raises(DataError, match=told):
        read_input(root, InputRequest())


def test_a_folder_of_parts_is_not_taken_for_two_classes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        make_class_folders(tmp_path / part, 2, 0)
    with pytest.raises(DataError, match=r"holds the parts test, train, each with class folders; name one of them"):
        read_input(tmp_path, InputRequest())


def test_one_limit_of_pixels_is_read_from_the_header_everywhere(tmp_path: Path) -> None:
    root = make_class_folders(tmp_path / "candidate", 4, 0)
    Image.new("1", (30_000, 30_000)).save(root / "red" / "large.png")
    with pytest.raises(DataError, match=r"large\.png: has 30,000 x 30,000 pixels, .* --max-megapixels 64; shrink"):
        data = load_training_data(tiny(tmp_path, holdout=0))
        for row in range(len(data.train)):
            read_pixels(data.train.source, row, 32)
    for mode in ("copy", "jpeg", "raw"):
        facts = pack(PackConfig(source=root, out=tmp_path / mode, mode=mode))
        assert [one["reason"].split(",")[0] for one in facts["unreadable"]] == ["has 30"]
    Image.new("L", (100, 100)).save(root / "red" / "medium.png")
    facts = pack(PackConfig(source=root, out=tmp_path / "small", mode="copy", max_megapixels=0.005))
    assert (facts["packed"], len(facts["unreadable"])) == (12, 2)


def test_a_project_stands_for_its_newest_manifest(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p")
    with pytest.raises(DataError, match="is a project that holds no manifest; run `rawlabel curate` first"):
        pack(PackConfig(source=project, out=tmp_path / "pack"))
    manifest = curate(CurateConfig(project=project))
    facts = pack(PackConfig(source=project, out=tmp_path / "pack", mode="copy"))
    assert facts["packed"] == len(manifest.kept())
    packed = read_input(tmp_path / "pack", InputRequest())
    assert packed.images.names() == read_input(manifest.path, InputRequest()).images.names()


def test_what_training_writes_beside_class_folders_is_no_class(tmp_path: Path) -> None:
    """Class folders right under --root get its features and runs as neighbors; the same command must go on."""
    for name in ("owl", "robin"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "a.png")
    for name in ("features/lite-96", "runs/first"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "note.json").write_text("{}")
    before = read_input(tmp_path, InputRequest())
    assert before.class_ids == ("owl", "robin")
    Image.new("RGB", (8, 8)).save(tmp_path / "runs" / "finish.png")
    assert read_input(tmp_path, InputRequest()).class_ids == ("owl", "robin", "runs")
