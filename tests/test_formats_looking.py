"""Exports to the tools that people look with: by the layouts that these read, and by themselves where there."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rawlabel.artifacts.feature_files import kept_features
from rawlabel.artifacts.manifest import Manifest
from rawlabel.config import CurateConfig, ExportConfig
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.export import export
from tests.helpers.formats_project import SECRET, make_project


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A project with evidence about its labels and features of its photos."""
    manifest = make_project(tmp_path_factory.mktemp("looking") / "birds", more=9)
    kept = manifest.kept().select(["path", "class_id", "stored_sha256"]).to_pylist()
    rows = [
        {"photo": row["path"], "label": row["class_id"], "preferred_class": "n00000002", "suspicion": place / 100}
        for place, row in enumerate(kept)
    ]
    run = manifest.project / "runs" / "one"
    run.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), run / "suspicion.parquet")
    folder = manifest.project / "features" / "encoder-0123"
    folder.mkdir(parents=True)
    values = np.random.default_rng(0).normal(size=(len(kept), 60)).astype(np.float32)
    values[[row["class_id"] == "owl" for row in kept]] += 5
    keys = np.frombuffer(b"".join(bytes.fromhex(row["stored_sha256"]) for row in kept), np.uint8).reshape(-1, 32)
    for name, part in (("a", slice(0, 5)), ("b", slice(5, None))):
        np.save(folder / f"{name}.npy", values[part])
        np.save(folder / f"{name}.keys.npy", keys[part])
    return manifest


def test_fiftyone_finds_every_photo_under_its_name_and_class(birds: Manifest, tmp_path: Path) -> None:
    _, count = export(
        ExportConfig(project=birds.project, manifest=birds.path, format="fiftyone", out=tmp_path / "out")
    )
    told = json.loads((tmp_path / "out" / "labels.json").read_text("utf-8"))
    data = tmp_path / "out" / "data"
    files = {path.relative_to(data).with_suffix("").as_posix(): path for path in data.rglob("*.*")}
    assert set(told) == {"classes", "labels"} and told["classes"] == ["owl", "robin"]
    assert told["labels"].keys() == files.keys() and len(files) == count
    for name, label in told["labels"].items():
        assert {"owl": 0, "n00000002": 1}[name.split("/")[0]] == label["label"]
        assert label["attributes"]["preferred_class"] == "robin"
        assert label["attributes"]["split"] in ("train", "holdout")
        assert SECRET not in files[name].read_bytes()
    # What somebody picks there comes back.
    chosen = tmp_path / "chosen.txt"
    chosen.write_text("\n".join(str(path) for path in list(files.values())[:3]), encoding="utf-8")
    assert curate(CurateConfig(project=birds.project, holdout=0.3, drop=(chosen,))).reviewed.dropped == 3


def test_fiftyone_itself_loads_it(birds: Manifest, tmp_path: Path) -> None:
    parsers = pytest.importorskip("fiftyone.utils.data", reason="fiftyone is not installed; it brings a database")
    out, count = export(
        ExportConfig(project=birds.project, manifest=birds.path, format="fiftyone", out=tmp_path / "out")
    )
    with parsers.FiftyOneImageClassificationDatasetImporter(dataset_dir=str(out)) as importer:
        samples = list(importer)
    assert len(samples) == count
    assert {label.label for _, _, label in samples} == {"owl", "robin"}
    assert all(Path(path).is_file() and 0 <= label["suspicion"] <= 1 for path, _, label in samples)


def test_atlas_has_a_thumbnail_and_a_place_for_every_photo(birds: Manifest, tmp_path: Path) -> None:
    out, count = export(
        ExportConfig(project=birds.project, manifest=birds.path, format="atlas", out=tmp_path / "out")
    )
    table = pq.read_table(out / "atlas.parquet")
    about = json.loads(table.schema.metadata[b"rawlabel"])
    assert about["x, y"] == "t-SNE of encoder-0123"
    rows = table.to_pylist()
    assert len(rows) == count == birds.kept().num_rows
    for row in rows:
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            assert image.format == "JPEG" and max(image.size) <= 128
        assert SECRET not in row["image"]["bytes"]
        assert np.isfinite([row["x"], row["y"], row["suspicion"]]).all()
    # Photos that are alike by their features lie near each other.
    points = np.array([(row["x"], row["y"]) for row in rows])
    owls = np.array([row["class"] == "owl" for row in rows])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag(np.full(len(points), np.inf))
    assert (owls[apart.argmin(axis=1)] == owls).mean() > 0.8
    chosen = tmp_path / "chosen.parquet"
    pq.write_table(table.slice(0, 2), chosen)
    assert curate(CurateConfig(project=birds.project, holdout=0.3, drop=(chosen,))).reviewed.dropped == 2


def test_without_features_of_all_photos_their_colours_say_where_they_lie(birds: Manifest, tmp_path: Path) -> None:
    project = make_project(tmp_path / "birds").project
    out, _ = export(ExportConfig(project=project, format="atlas"))
    about = json.loads(pq.read_schema(out / "atlas.parquet").metadata[b"rawlabel"])
    assert about["x, y"] == "t-SNE of colours"
    assert kept_features(birds.project, ["0" * 64]) is None
