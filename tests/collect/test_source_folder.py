"""Class folders as a source: the photos are read where they lie, and nothing outside the tree is."""

from __future__ import annotations

import io
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base.image_files import IMAGE_EXTENSIONS, IMAGE_FORMATS
from rawlabel.config import CollectConfig, CurateConfig
from rawlabel.errors import RawlabelError, SourceError
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.records import Reason, Status


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def plant(tree: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(picture(number))
    return tree


def collected(tree: Path, project: Path, **changes: object) -> list[Candidate]:
    values = {"source": ("folder",), "input": tree, "project": project, "per_class": 0}
    collect(CollectConfig(**(values | changes)))  # type: ignore[arg-type]
    with Catalogue(catalogue_path(project)) as catalogue:
        return list(catalogue.candidates())


def found(candidates: list[Candidate]) -> set[tuple[str, str, Status]]:
    return {(one.event.class_id, one.photo.photo_id, one.outcome.status) for one in candidates}


def test_sub_folders_are_the_classes(tmp_path: Path) -> None:
    tree = plant(
        tmp_path / "t", "owl/a.jpg", "owl/deep/b.PNG", "Barn_owl/c.jpg", "owl/notes.txt", ".git/d.jpg", "e.jpg"
    )
    assert found(collected(tree, tmp_path / "p")) == {
        ("Barn_owl", "Barn_owl/c.jpg", Status.FETCHED),
        ("owl", "owl/a.jpg", Status.FETCHED),
        ("owl", "owl/deep/b.PNG", Status.FETCHED),
    }


def test_a_class_file_picks_folders_by_id_or_keyword(tmp_path: Path) -> None:
    tree = plant(tmp_path / "t", "n01621127/a.jpg", "Barn_owl/b.jpg", "robin/c.jpg", "tawny owl/d.jpg")
    classes = tmp_path / "classes.json"
    classes.write_text('{"n01621127": ["barn owl", "tawny owl"], "crow": ["crow"]}')
    assert {names[:2] for names in found(collected(tree, tmp_path / "p", classes=classes))} == {
        ("n01621127", "n01621127/a.jpg"),
        ("n01621127", "Barn_owl/b.jpg"),
        ("n01621127", "tawny owl/d.jpg"),
    }


@pytest.mark.usefixtures("messages_on_stderr")
def test_links_out_of_the_tree_lead_nowhere_and_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = plant(tmp_path / "outside", "other.jpg", "secret.jpg") / "secret.jpg"
    tree = plant(tmp_path / "t", "owl/a.jpg")
    (tree / "owl" / "file.jpg").symlink_to(secret)
    (tree / "owl" / "inside.jpg").symlink_to(tree / "owl" / "a.jpg")
    (tree / "linked").symlink_to(tmp_path / "outside")
    (tree / "owl" / "folder").symlink_to(tmp_path / "outside")
    candidates = collected(tree, tmp_path / "p")
    outcomes = {one.photo.photo_id: (one.outcome.status, one.outcome.reason) for one in candidates}
    assert outcomes == {
        "owl/a.jpg": (Status.FETCHED, None),
        "owl/inside.jpg": (Status.FETCHED, None),
        "owl/file.jpg": (Status.FAILED, Reason.NO_URL),
    }
    stored = [path.read_bytes() for path in (tmp_path / "p" / "images").rglob("*.jpg")]
    assert stored == [picture(0)]
    told = capsys.readouterr().err
    assert "or nowhere, are not read: 1 folder with 2 photos and 1 photo; copy what they lead to" in told


@pytest.mark.usefixtures("messages_on_stderr")
def test_class_folders_that_are_links_out_of_the_tree_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(tmp_path / "outside", "owl/a.jpg", "owl/deep/b.png", "owl/notes.txt", "wren/c.jpg")
    tree = tmp_path / "my photos"
    tree.mkdir()
    for name in ("owl", "wren"):
        (tree / name).symlink_to(tmp_path / "outside" / name)
    with pytest.raises(SourceError, match="has no sub-folders of its own; links") as caught:
        collected(tree, tmp_path / "p")
    remedy = f"copy what they lead to, for example with `cp -rL '{tree}' COPY`, and give --input COPY"
    assert f"not read: 2 folders with 3 photos; {remedy}" in str(caught.value)

    plant(tree, "robin/d.jpg")
    capsys.readouterr()
    assert {names[1] for names in found(collected(tree, tmp_path / "p"))} == {"robin/d.jpg"}
    assert f"are not read: 2 folders with 3 photos; {remedy}" in capsys.readouterr().err
    # With a class file the folders may lie deeper.
    (tree / "birds").mkdir()
    (tree / "birds" / "owl").symlink_to(tmp_path / "outside" / "owl")
    (tmp_path / "classes.json").write_text('{"robin": ["robin"], "owl": ["owl"]}')
    collected(tree, tmp_path / "q", classes=tmp_path / "classes.json")
    assert f"are not read: 3 folders with 5 photos; {remedy}" in capsys.readouterr().err


def test_names_that_flickr_gives_say_which_photo_it_is(tmp_path: Path) -> None:
    tree = plant(
        tmp_path / "t", "daisy/100080576_f52e8ee070_n.jpg", "daisy/10172567486_2748826a8b.jpg", "daisy/x.jpg"
    )
    photos = {one.photo.photo_id.rpartition("/")[2]: one.photo for one in collected(tree, tmp_path / "p")}
    assert photos["100080576_f52e8ee070_n.jpg"].identity == "flickr:100080576"
    assert photos["10172567486_2748826a8b.jpg"].page_url == "https://www.flickr.com/photo.gne?id=10172567486"
    assert photos["x.jpg"].identity == "folder:daisy/x.jpg"


@pytest.mark.parametrize("name", ["CON", "a:b", "trailing.", " lead"])
def test_a_folder_that_cannot_be_a_class_is_named(tmp_path: Path, name: str) -> None:
    tree = plant(tmp_path / "t", f"{name}/a.jpg")
    if name == " lead":
        assert found(collected(tree, tmp_path / "p")) == {("lead", " lead/a.jpg", Status.FETCHED)}
        return
    with pytest.raises(RawlabelError, match="cannot be a folder name") as caught:
        collected(tree, tmp_path / "p")
    assert "\n" not in str(caught.value)


def test_file_names_of_any_bytes_are_read(tmp_path: Path) -> None:
    tree = plant(tmp_path / "t", "owl/100%.jpg")
    (tree / "owl" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(picture(7))
    assert {names[1:] for names in found(collected(tree, tmp_path / "p"))} == {
        ("owl/100%.jpg", Status.FETCHED),
        ("owl/caf%E9.jpg", Status.FETCHED),
    }


@pytest.mark.parametrize(("setting", "named"), [(None, "--input: name the folder"), ("absent", "is no folder")])
def test_a_tree_that_is_not_there_is_named(tmp_path: Path, setting: str | None, named: str) -> None:
    tree = tmp_path / setting if setting else None
    with pytest.raises(RawlabelError, match=named):
        collect(CollectConfig(source=("folder",), input=tree, project=tmp_path / "p"))


@pytest.mark.real_data
def test_the_flower_photos_are_of_flickr(shared_data: Path, tmp_path: Path) -> None:
    candidates = collected(shared_data / "flowers" / "test", tmp_path / "p", search_only=True)
    assert {one.event.class_id for one in candidates} == {"daisy", "dandelion", "roses", "sunflowers", "tulips"}
    assert all(one.photo.identity.startswith("flickr:") for one in candidates)


def saved(path: Path, number: int) -> None:
    """A picture in the format that the path's extension names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    formats = {extension: one.pillow_name for one in IMAGE_FORMATS for extension in one.extensions}
    pixels = np.random.default_rng(number).integers(0, 255, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, formats[path.suffix.lower()])


@pytest.mark.usefixtures("messages_on_stderr")
def test_every_format_is_read_at_any_depth_and_what_is_not_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = tmp_path / "t"
    for number, extension in enumerate(sorted(IMAGE_EXTENSIONS)):
        saved(tree / "owl" / f"{number}{extension}", number)
        saved(tree / "robin" / "2024" / "may" / f"{number}{extension.upper()}", 100 + number)
    for name in ("owl/a.txt", "owl/deep/b.txt", "robin/film.mp4", "robin/._0.jpg", "robin/README", "beside.jpg"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).touch()
    outcomes = found(collected(tree, tmp_path / "p"))
    assert len(outcomes) == 2 * len(IMAGE_EXTENSIONS)
    assert {status for _, _, status in outcomes} == {Status.FETCHED}
    told = capsys.readouterr().err
    assert "what is no image by its name is not read: 4 (2 .txt, 1 .mp4, 1 without extension)" in told
    assert "images that lie in no folder of a class are not read: 1" in told
    manifest = curate(CurateConfig(project=tmp_path / "p"))
    assert manifest.table["verdict"].to_pylist() == ["kept"] * len(outcomes)


def test_class_folders_of_a_class_file_may_lie_deeper(tmp_path: Path) -> None:
    tree = plant(tmp_path / "t", "birds/day/Barn_owl/a.jpg", "birds/robin/b.jpg", "fish/tench/c.jpg")
    classes = tmp_path / "classes.txt"
    classes.write_text("barn owl\nrobin\n")
    assert {names[:2] for names in found(collected(tree, tmp_path / "p", classes=classes))} == {
        ("barn owl", "birds/day/Barn_owl/a.jpg"),
        ("robin", "birds/robin/b.jpg"),
    }


@pytest.mark.usefixtures("messages_on_stderr")
def test_names_that_fall_together_are_kept_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = plant(
        tmp_path / "t", "C/a.jpg", "C++/b.jpg", "x ray/c.jpg", "x-ray/d.jpg", "barn owl/e.jpg", "barn_owl/f.jpg"
    )
    assert {(one, path) for one, path, _ in found(collected(tree, tmp_path / "p"))} == {
        ("C", "C/a.jpg"), ("C++", "C++/b.jpg"), ("x ray", "x ray/c.jpg"), ("x-ray", "x-ray/d.jpg"),
        ("barn owl", "barn owl/e.jpg"), ("barn_owl", "barn_owl/f.jpg"),
    }  # fmt: skip
    plant(tree, "Barn-Owl/g.jpg")
    classes = tmp_path / "classes.txt"
    classes.write_text("barn owl\nbarn_owl\nc\n")
    capsys.readouterr()
    picked = {(one, path) for one, path, _ in found(collected(tree, tmp_path / "q", classes=classes))}
    assert picked == {
        ("barn owl", "barn owl/e.jpg"), ("barn_owl", "barn_owl/f.jpg"), ("c", "C/a.jpg")
    }  # fmt: skip
    assert "the name 'Barn-Owl' may mean any of the classes 'barn owl', 'barn_owl'" in capsys.readouterr().err


def test_one_name_in_two_unicode_forms_is_one_class(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "épervier") for form in ("NFC", "NFD"))
    tree = plant(tmp_path / "t", f"{composed}/a.jpg", f"{decomposed}/b.jpg")
    assert {(one, path[-5:]) for one, path, _ in found(collected(tree, tmp_path / "p"))} == {
        (composed, "a.jpg"), (composed, "b.jpg"),
    }  # fmt: skip
