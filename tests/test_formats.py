"""Exports: what other tools find on disk."""

from __future__ import annotations

import csv
import gc
import hashlib
import io
import itertools
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.image_check import decode_image
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.project import images_path
from rawlabel.base.families import Family, names
from rawlabel.base.files import write_json
from rawlabel.base.untrusted_text import disarmed
from rawlabel.cli import run
from rawlabel.config import CurateConfig, ExportConfig
from rawlabel.errors import DataError, PluginError
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.export import export
from rawlabel.records import Split
from tests.helpers.folders import files_of
from tests.helpers.formats_project import HOSTILE_TITLES, SECRET, make_project

REWRITING = ("parquet", "webdataset")
HOLDING = ("class_folders", "atlas", "fiftyone", *REWRITING)
"""Formats that write the photos themselves."""


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_project(tmp_path_factory.mktemp("formats") / "birds")


@pytest.mark.parametrize("name", names(Family.FORMAT))
def test_every_format_counts_and_does_nothing_twice(name: str, birds: Manifest, tmp_path: Path) -> None:
    config = ExportConfig(project=birds.project, format=name, out=tmp_path / "out", per_shard=5)
    first = export(config)
    before = files_of(tmp_path / "out")
    assert first == (tmp_path / "out", birds.kept().num_rows if name in HOLDING else 0)
    assert before
    assert not [path for path in before if ".part" in path]
    assert export(config) == first
    assert files_of(tmp_path / "out") == before


@pytest.mark.parametrize("name", names(Family.FORMAT))
def test_no_format_overwrites_what_it_has_not_written(name: str, birds: Manifest, tmp_path: Path) -> None:
    export(ExportConfig(project=birds.project, format=name, out=tmp_path / "one", per_shard=5))
    (tmp_path / "one" / "rawlabel-export.json").unlink()
    mine = files_of(tmp_path / "one")
    with pytest.raises(DataError, match="exists and is not an export of rawlabel; choose another --out"):
        export(ExportConfig(project=birds.project, format=name, out=tmp_path / "one", per_shard=5))
    assert files_of(tmp_path / "one") == mine


@pytest.mark.parametrize("name", names(Family.FORMAT))
def test_a_vanished_photo_is_one_line_or_not_needed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    manifest = make_project(tmp_path / "birds", more=2)
    victim = manifest.project / manifest.kept()["path"][0].as_py()
    victim.unlink()
    code = run(["export", str(manifest.project), "--format", name])
    last = capsys.readouterr().err.strip().splitlines()[-1] if code else ""
    if name in HOLDING:
        assert (code, last.count("\n")) == (2, 0)
        assert str(victim) in last
        assert "run `rawlabel collect` again" in last
        victim.write_bytes(b"altered")
        if name in REWRITING:
            with pytest.raises(DataError, match="is not what was stored"):
                export(ExportConfig(project=manifest.project, format=name))
    else:
        assert code == 0


def test_only_photos_that_are_there_are_counted(
    birds: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    command = ["export", str(birds.project), "--out", str(tmp_path / "out"), "--format"]
    assert run([*command, "dataset_card"]) == 0
    assert capsys.readouterr().out == f"dataset_card without photos in {tmp_path / 'out'}\n"
    assert run([*command, "parquet"]) == run([*command, "dataset_card"]) == 0
    counted = f"{birds.kept().num_rows} photos in {tmp_path / 'out'}\n"
    assert capsys.readouterr().out == 2 * counted


@pytest.mark.parametrize("name", [one for one in names(Family.FORMAT) if one != "class_folders"])
def test_what_a_kill_left_half_written_is_not_exported(name: str, birds: Manifest, tmp_path: Path) -> None:
    """Whichever format it was: people share the folder as it is."""
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    left = [out / ".rawlabel-export.json.a1b2c3d4.part", out / ".manifest.jsonl.a1b2c3d4.part",
            out / "data" / ".train-00000-of-00001.parquet.a1b2c3d4.part"]  # fmt: skip
    for path in left:
        path.write_bytes(b"half")
    (out / "notes.part").write_bytes(b"mine")
    export(ExportConfig(project=birds.project, format=name, out=out))
    assert [path for path in files_of(out) if path.endswith(".part")] == ["notes.part"]


def test_class_folders_hold_the_kept_photos_by_hard_link(birds: Manifest, tmp_path: Path) -> None:
    out, count = export(ExportConfig(project=birds.project))
    assert out == birds.project / "candidate"
    photos = list(out.glob("*/*"))
    assert count == birds.kept().num_rows == len(photos)
    from torchvision.datasets import ImageFolder

    assert ImageFolder(str(out)).classes == ["n00000002", "owl"]
    origins = {(birds.project / path).stat().st_ino for path in birds.kept()["path"].to_pylist()}
    assert {path.stat().st_ino for path in photos} == origins
    stripped, _ = export(ExportConfig(project=birds.project, out=tmp_path / "stripped", metadata="strip"))
    assert any(SECRET in data for data in files_of(out).values())
    assert not any(SECRET in data for data in files_of(stripped).values())
    assert files_of(stripped).keys() == files_of(out).keys()


def test_a_new_curation_replaces_the_export_but_nothing_else(tmp_path: Path) -> None:
    project = make_project(tmp_path / "birds").project
    out, before = export(ExportConfig(project=project))
    stale = out / "owl" / "stale.jpg"
    curate(CurateConfig(project=project, seed=5))
    stale.write_bytes(b"")
    assert export(ExportConfig(project=project)) == (out, before)
    assert not stale.exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="exists and is not an export"):
        export(ExportConfig(project=project, out=tmp_path / "mine"))
    export(ExportConfig(project=project, out=out, format="attributions"))
    curate(CurateConfig(project=project, seed=6))
    with pytest.raises(DataError, match="holds exports in other formats too"):
        export(ExportConfig(project=project))


@pytest.mark.parametrize("name", REWRITING)
def test_another_curation_or_shard_size_leaves_no_old_shard(name: str, tmp_path: Path) -> None:
    project = make_project(tmp_path / "birds").project
    settings = {"project": project, "format": name, "out": tmp_path / "out"}
    export(ExportConfig(**settings, per_shard=2))
    export(ExportConfig(**settings, per_shard=5))
    curate(CurateConfig(project=project, seed=9, holdout=0.5))
    export(ExportConfig(**settings, per_shard=5))
    export(ExportConfig(**settings | {"out": tmp_path / "fresh"}, per_shard=5))
    assert files_of(tmp_path / "out") == files_of(tmp_path / "fresh")


@pytest.mark.parametrize("name", REWRITING)
def test_an_export_stopped_anywhere_goes_on_to_the_same_bytes(
    name: str, birds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rawlabel.manifests.formats import _photos

    whole, _ = export(ExportConfig(project=birds.project, format=name, out=tmp_path / "whole", per_shard=3))
    read, left = _photos.PhotoBytes.read, 0

    def read_some(self, row):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return read(self, row)

    monkeypatch.setattr(_photos.PhotoBytes, "read", read_some)
    config = ExportConfig(project=birds.project, format=name, out=tmp_path / "out", per_shard=3)
    seen: set[str] = set()
    for stop_after in range(birds.kept().num_rows):
        left = stop_after
        try:
            export(config)
        except KeyboardInterrupt:
            found = files_of(tmp_path / "out")
            assert {key: data for key, data in found.items() if "rawlabel" not in key}.items() <= files_of(
                whole
            ).items()
            assert seen <= found.keys()
            seen = set(found)
    # What SIGKILL leaves of the files that were being written.
    folder = tmp_path / "out" / ("data" if name == "parquet" else "")
    (folder / f".{next(iter(folder.glob('*-0*'))).name}.x1y2.part").write_bytes(b"half")
    left = birds.kept().num_rows
    export(config)
    assert files_of(tmp_path / "out") == files_of(whole)


# webdataset leaves the shards that it has read open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_shards_are_read_by_webdataset(birds: Manifest, tmp_path: Path) -> None:
    import webdataset

    out, count = export(ExportConfig(project=birds.project, format="webdataset", out=tmp_path, per_shard=4))
    index = json.loads((out / "index.json").read_text())
    assert sum(index["samples"].values()) == sum(shard["samples"] for shard in index["shards"]) == count
    assert [one["class_id"] for one in index["classes"]] == birds.class_ids
    kept = {(row["photo_id"], row["class_id"]): row for row in birds.kept().to_pylist()}
    for split in Split:
        shards = [str(out / shard["file"]) for shard in index["shards"] if shard["file"].startswith(split)]
        samples = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("pil"))
        assert len(samples) == index["samples"][split] == birds.kept(split).num_rows
        for sample in samples:
            row = kept.pop((sample["json"]["photo_id"], sample["json"]["class_id"]))
            assert index["classes"][sample["cls"]]["class_id"] == row["class_id"]
            assert sample["json"]["title"] == row["title"]
            assert {"jpg", "png", "webp", "gif"} & set(sample)
    gc.collect()
    assert not kept
    for shard in index["shards"]:
        data = (out / shard["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard["bytes"], shard["sha256"])
        assert SECRET not in data


def test_parquet_is_loaded_by_datasets(birds: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import ClassLabel, Image, load_dataset

    out, _ = export(ExportConfig(project=birds.project, format="parquet", out=tmp_path / "out", per_shard=4))
    loaded = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {name: part.num_rows for name, part in loaded.items()} == Counter(birds.kept()["split"].to_pylist())
    rows = {(row["photo_id"], row["class_id"]): row for row in birds.kept().to_pylist()}
    for part in loaded.values():
        assert isinstance(part.features["image"], Image)
        assert part.features["label"] == ClassLabel(names=birds.class_ids)
        stored = part.cast_column("image", Image(decode=False))
        for sample, raw in zip(part, stored, strict=True):
            row = rows.pop((sample["photo_id"], sample["class_id"]))
            assert birds.class_ids[sample["label"]] == row["class_id"]
            assert sample["title"] == row["title"]
            assert sample["image"].size
            assert SECRET not in raw["image"]["bytes"]
            assert raw["image"]["path"] == sample["file"]
            assert decode_image(raw["image"]["bytes"], 64)[0].pixel_sha256 == row["pixel_sha256"]
    assert not rows


def test_attributions_credit_every_photo_and_run_nothing(birds: Manifest, tmp_path: Path) -> None:
    out, _ = export(ExportConfig(project=birds.project, format="attributions", out=tmp_path))
    folders, _ = export(ExportConfig(project=birds.project))
    with (out / "attributions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == birds.kept().num_rows
    assert all((folders / row["file"]).is_file() for row in rows)
    assert not [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in {"=", "+", "-", "@"}]
    titles = {row["title"].removeprefix("'") for row in rows}
    assert set(HOSTILE_TITLES) <= titles
    credits = {row["photo_id"]: row["attribution"] for row in rows}
    assert credits["r0"] == (
        '"photo r0" (https://photos.example/r0) by author r0, licensed under CC BY 2.0 '
        "(https://creativecommons.org/licenses/by/2.0/), via flickr"
    )
    assert "by id-../a/7, license stated as All Rights Reserved, via flickr" in credits["../a/7"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_disarmed_cell_is_no_formula_and_keeps_its_text(text: str) -> None:
    cell = disarmed(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert not cell.startswith(("\t", "\r", "\n"))
    assert cell.removeprefix("'") == text
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerow([cell])
    assert list(csv.reader(io.StringIO(stream.getvalue(), newline=""))) == [[cell]]


HOSTILE_ROWS = [
    ({"class_id": "../escaped"}, "class"),
    ({"class_id": "N00000002"}, "would share one folder"),
    ({"class_id": "other"}, "class_id"),
    ({"stored_sha256": "../../../../etc/passwd"}, "stored_sha256"),
    ({"stored_sha256": None}, "stored_sha256"),
    ({"media_type": "image/svg+xml"}, "media_type"),
    ({"split": "../train"}, "split"),
    ({"photo_id": None}, "without id"),
    ({"photo_id": "same", "class_id": "owl"}, "keeps a photo twice"),
]


@pytest.mark.parametrize("name", names(Family.FORMAT))
@pytest.mark.parametrize(("change", "words"), HOSTILE_ROWS)
def test_a_hostile_manifest_is_refused(
    change: dict[str, str | None], words: str, name: str, birds: Manifest, tmp_path: Path
) -> None:
    rows = birds.table.to_pylist()
    for row in rows:
        if row["verdict"] == "kept":
            row |= change
    header = json.loads(birds.table.schema.metadata[b"rawlabel"])
    if change.get("class_id") in ("../escaped", "N00000002"):
        header["classes"][0]["class_id"] = change["class_id"]
    table = pa.Table.from_pylist(rows, schema=birds.table.schema)
    path = tmp_path / "a" / "b" / "manifest.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table.replace_schema_metadata({"rawlabel": json.dumps(header)}), path)
    with pytest.raises(DataError, match=words) as caught:
        export(ExportConfig(project=birds.project, format=name, manifest=path, out=tmp_path / "out"))
    assert str(path) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_is_not_there_is_named(birds: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `rawlabel curate` first"):
        export(ExportConfig(project=tmp_path))
    with pytest.raises(DataError, match=r"absent\.parquet: no such manifest"):
        export(ExportConfig(project=tmp_path, manifest=tmp_path / "absent.parquet"))
    with pytest.raises(PluginError, match="no format is called 'webdatset'; did you mean 'webdataset'"):
        export(ExportConfig(project=birds.project, format="webdatset"))
    write_json(tmp_path / "out" / "rawlabel-export.json", [])
    with pytest.raises(DataError, match="is not the mark of an export"):
        export(ExportConfig(project=birds.project, format="parquet", out=tmp_path / "out"))
    assert images_path(birds.project).is_dir()


def test_formats_are_listed_with_what_they_are_for(capsys: pytest.CaptureFixture) -> None:
    assert run(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    written, read, models = (list(group) for has, group in itertools.groupby(lines, bool) if has)
    assert [line.split(":")[0] for line in written] == names(Family.FORMAT)
    assert [line.split(":")[0] for line in read[1:]] == names(Family.INPUT)
    assert [line.split(":")[0] for line in models[1:]] == names(Family.MODEL_FORMAT)
