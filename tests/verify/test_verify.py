"""Verifying a project: every planted damage is found, named as what it is, and mended by collecting again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.project import catalogue_path, images_path, manifests_path
from rawlabel.config import CollectConfig, CurateConfig, VerifyConfig
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.verify.findings import Kind
from rawlabel.manifests.verify.stage import forget, verify
from rawlabel.records import Status
from rawlabel_photo_site.web.server import RunningSite
from tests.helpers.collected_project import make_project
from tests.helpers.small_site import KEY


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path_factory.mktemp("verify") / "p")
    curate(CurateConfig(project=project))
    return project


@pytest.fixture
def project(curated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(curated, tmp_path / "p"))


def photo_files(project: Path) -> list[Path]:
    return sorted(images_path(project).rglob("*.jpg"))


def findings(project: Path, **settings: object) -> list[tuple[str, str]]:
    found = verify(VerifyConfig(project=project, **settings))  # type: ignore[arg-type]
    return [(one.kind.value, one.path.name) for one in found]


def test_an_untouched_project_is_well(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    assert findings(project) == []
    assert cli.run(["verify", str(project)]) == 0
    assert "all is well" in capsys.readouterr().out


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def link(path: Path) -> None:
    data = path.read_bytes()
    elsewhere = path.parents[4] / "elsewhere.jpg"
    elsewhere.write_bytes(data)
    path.unlink()
    path.symlink_to(elsewhere)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (flip_a_bit, Kind.DAMAGED),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), Kind.DAMAGED),
        (lambda path: path.write_bytes(b""), Kind.DAMAGED),
        (Path.unlink, Kind.MISSING),
        (link, Kind.LINK),
        (make_folder, Kind.MISSING),
    ],
    ids=["bit flip", "truncation", "empty", "vanished", "link", "folder"],
)
def test_each_damage_of_a_photo_is_found_on_every_file(
    project: Path, damage: Callable[[Path], object], kind: Kind
) -> None:
    harmed = photo_files(project)[::3]
    for path in harmed:
        damage(path)
    assert findings(project) == [(kind.value, path.name) for path in harmed]
    if kind is Kind.DAMAGED:
        assert findings(project, decode=False) == [(kind.value, path.name) for path in harmed]


def test_swapped_files_are_two_damaged_ones_and_name_each_other(project: Path) -> None:
    one, other = photo_files(project)[:2]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    found = verify(VerifyConfig(project=project))
    assert [(item.kind, item.path) for item in found] == [(Kind.DAMAGED, one), (Kind.DAMAGED, other)]
    assert other.stem in found[0].detail
    assert one.stem in found[1].detail
    assert all(len(item.photos) == 1 for item in found)


def test_strays_and_half_files_are_listed_wherever_they_lie(project: Path) -> None:
    store, names = images_path(project), {}
    some = photo_files(project)[0]
    planted = {
        some.with_name("holiday.jpg"): Kind.STRAY,
        store / "notes.txt": Kind.STRAY,
        store / "ff" / "ff" / f"{'f' * 64}.jpg": Kind.STRAY,
        store / "other" / "x.jpg": Kind.STRAY,
        some.with_name(f".{some.name}.abc.part"): Kind.UNFINISHED,
        store / "unfinished" / ".x.part": Kind.UNFINISHED,
        project / ".report.html.abc.part": Kind.UNFINISHED,
        manifests_path(project) / "0123" / ".manifest.parquet.x.part": Kind.UNFINISHED,
    }
    for path, kind in planted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        names[path.name] = kind.value
    (store / "linked").symlink_to(project / "manifests")
    assert {name: kind for kind, name in findings(project)} == names | {"linked": "link"}
    assert len(findings(project)) == len(planted) + 1


def test_pixels_other_than_recorded_are_found(project: Path) -> None:
    some = photo_files(project)[4]
    with Catalogue(catalogue_path(project)) as catalogue:
        catalogue._connection.execute(
            "UPDATE outcome SET sha256 = stored_sha256, pixel_sha256 = ? WHERE stored_sha256 = ?",
            ("0" * 64, some.stem),
        )
    assert findings(project, decode=False) == []
    assert findings(project) == [("pixels", some.name)]


def rewritten(manifest: Manifest, **columns: pa.Array) -> None:
    table = manifest.table
    for name, values in columns.items():
        position = table.column_names.index(name)
        table = table.set_column(position, table.schema.field(name), values)
    pq.write_table(table.replace_schema_metadata(pq.read_schema(manifest.path).metadata), manifest.path)


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("title", "another", "its fingerprint does not fit"),
        ("verdict", "failed", "a row's reason does not go with its verdict"),
        ("verdict", "liked", "'verdict' holds a value that is not among the known ones"),
        ("class_id", "eagle", "'class_id' holds a value that is not among the known ones"),
        ("path", "../../etc/passwd", "'../../etc/passwd', which is not in the image store"),
        ("path", "/etc/passwd", "'/etc/passwd', which is not in the image store"),
        ("photo_id", "000001", "one label event stands there twice"),
    ],
)
def test_a_manifest_that_was_tampered_with(project: Path, column: str, value: str, named: str) -> None:
    manifest = curate(CurateConfig(project=project))
    values = manifest.table[column].to_pylist()
    changed = [value, *(["000001"] if column == "photo_id" else [values[1]]), *values[2:]]
    rewritten(manifest, **{column: pa.array(changed, pa.string())})
    found = verify(VerifyConfig(project=project))
    assert {one.kind for one in found} == {Kind.MANIFEST}
    assert any(named in one.detail for one in found), found
    assert any("fingerprint does not fit" in one.detail for one in found)


def test_the_files_beside_a_manifest_agree_with_it(project: Path) -> None:
    manifest = curate(CurateConfig(project=project))
    path = manifest.path.with_name("funnel.json")
    funnel = json.loads(path.read_text())
    funnel[0]["found"] += 1
    path.write_text(json.dumps(funnel))
    manifest.path.with_name("config.json").unlink()
    assert findings(project) == [("manifest", "funnel.json"), ("manifest", "config.json")]
    manifest.path.write_bytes(b"no parquet")
    assert findings(project) == [("manifest", "manifest.parquet")]


def test_findings_are_printed_listed_in_a_file_and_the_exit_code(
    capsys: pytest.CaptureFixture[str], project: Path, tmp_path: Path
) -> None:
    for path in photo_files(project)[:7]:
        flip_a_bit(path)
    assert cli.run(["verify", str(project), "--out", str(tmp_path / "findings.jsonl")]) == 1
    out = capsys.readouterr().out
    assert "     7 files hold other bytes than their names say" in out
    assert "and 2 more" in out
    lines = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines] == [str(path) for path in photo_files(project)[:7]]
    assert cli.run(["verify", str(tmp_path / "nowhere")]) == 2
    assert cli.run(["verify", str(project), "--manifest", "0123456789ab"]) == 2
    assert capsys.readouterr().err.count("\n") >= 2


@pytest.mark.integration
def test_lost_and_damaged_photos_are_asked_for_again(site: RunningSite, class_file: Path, tmp_path: Path) -> None:
    config = CollectConfig(
        classes=class_file, project=tmp_path / "p", base_url=(site.base_url,), source=("flickr",), image_size=64,
        allow_loopback=True,
    )  # fmt: skip
    collect(config, api_key=KEY)
    with Catalogue(catalogue_path(config.project)) as catalogue:
        before = catalogue.fingerprint()
    files = photo_files(config.project)
    files[0].unlink()
    flip_a_bit(files[1])
    link(files[2])
    check = VerifyConfig(project=config.project)
    assert len(verify(check)) == 3
    assert forget(check, verify(check)) >= 3
    with Catalogue(catalogue_path(config.project)) as catalogue:
        lost = [one for one in catalogue.candidates() if one.outcome.status is Status.FOUND]
        assert len({one.photo.photo_id for one in lost}) >= 3
        assert catalogue.counts()["not_fetched"] >= 3
    asked = sum(site.requests.values())
    collect(config, api_key=KEY)
    assert sum(site.requests.values()) > asked
    assert verify(check) == []
    with Catalogue(catalogue_path(config.project)) as catalogue:
        assert catalogue.fingerprint() == before
