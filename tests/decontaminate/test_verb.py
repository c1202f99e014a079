"""`rawlabel decontaminate`: a new manifest for a project, a list for other images, and a certificate for both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rawlabel.artifacts.certificate import read_certificates
from rawlabel.cli import run as rawlabel
from rawlabel.images.image_source import ImageFiles
from rawlabel.judge.decontaminate.decontaminating import decontaminate
from tests.helpers.pictures import photo, write_picture

pytestmark = pytest.mark.integration


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten photos, and four test photos in no class folder, of which one is a mirrored copy of a photo."""
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        write_picture(tmp_path / "photos" / f"{number}.jpg", photo(number, 120))
    for number in range(3):
        write_picture(tmp_path / "test" / f"{number}.jpg", photo(100 + number, 120))
    write_picture(tmp_path / "test" / "copy.png", photo(4, 120)[:, ::-1])
    return tmp_path


def test_plain_folders_get_a_list_and_stay_as_they_are(sides: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in sides.rglob("*.jpg")}
    assert rawlabel(["decontaminate", "photos", "--test", "test"]) == 0
    said = capsys.readouterr().out
    assert "1 left out" in said and "canaries: 16 of 16 canaries caught" in said
    assert (sides / "decontamination" / "test_copies.txt").read_text().split() == ["photos/4.jpg"]
    (certificate,) = read_certificates(sides / "decontamination")
    assert (certificate.candidates.images, certificate.kept.images, certificate.test.images) == (10, 9, 4)
    assert [one.probe for one in certificate.removed] == ["whole, flipped"]
    assert {path: path.read_bytes() for path in sides.rglob("*.jpg")} == before


def test_a_second_pass_says_the_same_and_takes_the_fingerprints_that_are_kept(sides: Path) -> None:
    command = ["decontaminate", "photos", "--test", "test"]
    assert rawlabel(command) == 0
    first = (sides / "decontamination" / "decontamination.json").read_bytes()
    assert rawlabel(command) == 0
    assert (sides / "decontamination" / "decontamination.json").read_bytes() == first
    shutil.rmtree(sides / "decontamination")
    assert rawlabel(command) == 0
    assert (sides / "decontamination" / "decontamination.json").read_bytes() == first


def test_photos_in_another_order_as_another_seed_splits_them_are_not_compared_again(
    sides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "photos" / "again.png", photo(4, 120)[:, ::-1])
    (tmp_path / "photos" / "torn.jpg").write_bytes(b"torn")
    paths = sorted((tmp_path / "photos").iterdir())
    tests = ImageFiles(sorted((tmp_path / "test").iterdir()))

    def found(order: list[Path]) -> list[tuple[str, str, str | None]]:
        names = [one.name for one in order]
        outcome = decontaminate(ImageFiles(order, names), tests, tmp_path)
        left_out = [names[place] for place in outcome.left_out.tolist()]
        assert left_out == [one for one in names if one in ("again.png", "4.jpg")]
        certificate = outcome.certificate("photos", "test")
        assert certificate.canaries.planted == certificate.canaries.caught == 16
        return sorted((one.image, one.tier, one.test) for one in certificate.removed)

    first = found(paths)
    assert len(first) == 2
    monkeypatch.setattr("rawlabel.judge.decontaminate.decontaminating.compare", None)
    assert found(paths[::-1]) == first == found([*paths[5:], *paths[:5]])


def test_unreadable_images_are_counted_and_not_certified_away(
    sides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sides / "photos" / "torn.jpg").write_bytes((sides / "photos" / "1.jpg").read_bytes()[:300])
    assert rawlabel(["decontaminate", "photos", "--test", "test"]) == 0
    assert "1 candidates could not be read" in capsys.readouterr().out
    assert read_certificates(sides / "decontamination")[0].candidates.unreadable == 1


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ([], "DATA: "),
        (["photos"], "--test: "),
        (["photos", "--test", "nowhere"], "nowhere: "),
        (["nowhere", "--test", "test"], "nowhere: "),
    ],
)
def test_what_is_not_there_is_one_line(
    sides: Path, flags: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rawlabel(["decontaminate", *flags]) == 2
    assert named in capsys.readouterr().err
    assert not (sides / "decontamination").exists()


def test_a_project_gets_a_manifest_with_a_reason_and_its_parent_stays(
    sides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        write_picture(sides / "found" / ("owl", "robin")[number % 2] / f"{number}.jpg", photo(200 + number, 120))
    shutil.copy(sides / "found" / "owl" / "4.jpg", sides / "test" / "again.jpg")
    (sides / "classes.txt").write_text("owl\nrobin\n")
    collect = ["collect", "classes.txt", "--source", "folder", "--input", "found", "--project", "birds"]
    assert rawlabel(collect) == 0
    assert rawlabel(["curate", "birds"]) == 0
    pointer = sides / "birds" / "manifests" / "latest.json"
    parent = json.loads(pointer.read_text())["manifest"]
    capsys.readouterr()
    assert rawlabel(["decontaminate", "birds", "--test", "test", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    table = pq.read_table(document["manifest"])
    dropped = [row for row in table.to_pylist() if row["reason"] == "test_copy"]
    assert len(dropped) == 1 and dropped[0]["verdict"] == "rejected" and dropped[0]["split"] is None
    assert table.num_rows == 12
    assert json.loads(pointer.read_text())["manifest"] != parent
    assert (sides / "birds" / "manifests" / parent / "manifest.parquet").is_file()
    folder = Path(document["manifest"]).parent
    assert json.loads((folder / "funnel.json").read_text())[-1]["rejected:test_copy"] == 1
    (certificate,) = read_certificates(folder)
    assert certificate.kept.images == 11
    # Nothing more is found, and the manifest stays.
    assert rawlabel(["decontaminate", "birds", "--test", "test"]) == 0
    assert "the manifest stays as it is" in capsys.readouterr().out
    assert read_certificates(folder) == (certificate,)
