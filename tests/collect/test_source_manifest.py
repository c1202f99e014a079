"""A manifest as a source: the same labels on another machine, and nothing that a forged one asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel import cli
from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import Manifest
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CollectConfig, CurateConfig, NoiseConfig
from rawlabel.errors import RawlabelError
from rawlabel.gather.collect.stage import collect
from rawlabel.gather.curate.stage import curate
from rawlabel.manifests.noise import write_noisy_manifest
from rawlabel.records import Reason
from rawlabel_photo_site.web.server import RunningSite
from tests.helpers.small_site import KEY

pytestmark = pytest.mark.integration


def from_manifest(path: Path, project: Path, **changes: Any) -> CollectConfig:
    values = {"source": ("manifest",), "input": path, "project": project, "per_class": 0, "allow_loopback": True}
    return CollectConfig(**(values | changes))


@pytest.fixture
def original(site: RunningSite, class_file: Path, tmp_path: Path) -> Manifest:
    """A manifest of photos that were searched in slices of upload dates."""
    collect(
        CollectConfig(
            source=("flickr",), classes=class_file, project=tmp_path / "first", base_url=(site.base_url,),
            image_size=64, per_class=0, allow_loopback=True,
        ),
        api_key=KEY,
    )  # fmt: skip
    return curate(CurateConfig(project=tmp_path / "first"))


def test_the_same_photos_labels_and_ranks_come_again(original: Manifest, tmp_path: Path) -> None:
    collect(from_manifest(original.path, tmp_path / "second"))
    again = curate(CurateConfig(project=tmp_path / "second"))
    same = (
        "source", "photo_id", "class_id", "keyword", "rank", "part", "split", "group", "sha256", "pixel_sha256",
        "url", "page_url", "title", "author", "author_id", "license_name", "license_url", "uploaded_at",
        "taken_at", "origin",
    )  # fmt: skip
    assert again.classes == original.classes
    assert any(json.loads(part) for part in original.kept()["part"].to_pylist())
    assert sorted_rows(again, same) == sorted_rows(original, same)


def test_injected_noise_does_not_come_along(original: Manifest, tmp_path: Path) -> None:
    noisy, injection = write_noisy_manifest(NoiseConfig(manifest=str(original.path), rate=0.5))
    assert cli.run(["verify", str(original.project)]) == 0
    assert injection.noisy.is_changed.sum() > 0
    collect(from_manifest(noisy.path, tmp_path / "second"))
    again = curate(CurateConfig(project=tmp_path / "second"))
    columns = ("source", "photo_id", "class_id", "keyword", "rank", "sha256")
    assert sorted_rows(again, columns) == sorted_rows(original, columns) != sorted_rows(noisy, columns)


def sorted_rows(manifest: Manifest, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    return sorted(manifest.kept().select(columns).to_pylist(), key=lambda row: json.dumps(row, default=str))


def test_a_limit_for_each_keyword_counts_what_the_manifest_brought(original: Manifest, tmp_path: Path) -> None:
    counts = collect(from_manifest(original.path, tmp_path / "p", per_keyword=7, search_only=True))
    assert counts["label_events"] == 7 * 3


def test_a_photo_that_is_gone_since_is_recognized_by_the_rule_of_its_own_site(
    original: Manifest, site: RunningSite, tmp_path: Path
) -> None:
    rows = original.table.to_pylist()
    gone = next(row for row in rows if row["reason"] == Reason.PLACEHOLDER and row["url"])
    gone |= {"verdict": "kept", "reason": None}
    path = tmp_path / "again.parquet"
    pq.write_table(pa.Table.from_pylist([gone], schema=original.table.schema), path)
    assert collect(from_manifest(path, tmp_path / "p"))["placeholder"] == 1


def test_addresses_are_checked_like_any_other(original: Manifest, tmp_path: Path) -> None:
    kept = original.kept().to_pylist()[:4]
    for row, url in zip(kept, ("file:///etc/passwd", "http://169.254.169.254/", "data:,x", ""), strict=True):
        row["url"] = url
    path = tmp_path / "forged.parquet"
    pq.write_table(pa.Table.from_pylist(kept, schema=original.table.schema), path)
    counts = collect(from_manifest(path, tmp_path / "p", allow_loopback=False))
    assert (counts["fetched"], counts["refused_address"], counts["no_url"]) == (0, 3, 1)


def header(*classes: Any) -> dict[bytes, bytes]:
    return {b"rawlabel": json.dumps({"classes": classes, "fingerprint": "x"}).encode()}


OWL = {"class_id": "owl", "name": "owl", "keywords": ["owl"]}


@pytest.mark.parametrize(
    ("schema", "metadata", "named"),
    [
        (pa.schema([("source", pa.string())]), header(OWL), "column 'photo_id' is missing or of another type"),
        (SCHEMA.set(4, pa.field("rank", pa.string())), header(OWL), "column 'rank' is missing or of another type"),
        (SCHEMA, {}, "its header lists no classes"),
        (SCHEMA, {b"rawlabel": b"[" * 100_000}, "its header lists no classes"),
        (SCHEMA, header(), "its header lists no classes"),
        (SCHEMA, header(OWL | {"class_id": "../../etc"}), "cannot be a folder name"),
        (SCHEMA, header(OWL, OWL | {"class_id": "OWL"}), "would share one folder"),
        (SCHEMA, header(OWL | {"keywords": [5]}), "the keywords should be a list of texts"),
        (SCHEMA, header(OWL | {"name": {"a": 1}}), "should be a text"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_one_line(
    tmp_path: Path, schema: pa.Schema, metadata: dict[bytes, bytes], named: str
) -> None:
    path = tmp_path / "manifest.parquet"
    pq.write_table(schema.empty_table().replace_schema_metadata(metadata), path)
    with pytest.raises(RawlabelError, match=named) as caught:
        collect(from_manifest(path, tmp_path / "p"))
    assert "\n" not in str(caught.value)


texts = st.text(max_size=12) | st.sampled_from(
    ["kept", "owl", "../x", "javascript:x", "a\0b", "flickr", "[", "{}", None]
)
numbers = st.integers(-(2**31), 2**31 - 1) | st.none()
forged_rows = st.fixed_dictionaries(
    {
        field.name: texts if pa.types.is_string(field.type) else numbers
        for field in SCHEMA
        if field.name not in ("verdict", "class_id", "keyword")
    }
)


@settings(max_examples=30)
@given(rows=st.lists(forged_rows, max_size=4), damage=st.integers(0, 4000) | st.none())
def test_no_manifest_brings_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], damage: int | None
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    whole = [row | {"verdict": "kept", "class_id": "owl", "keyword": "owl"} for row in rows]
    table = pa.Table.from_pylist(whole, schema=SCHEMA).replace_schema_metadata(header(OWL))
    path = folder / "manifest.parquet"
    pq.write_table(table, path)
    if damage is not None:
        content = bytearray(path.read_bytes())
        content[damage % len(content)] ^= 0xFF
        path.write_bytes(content)
    try:
        collect(from_manifest(path, folder / "p", search_only=True))
    except RawlabelError as error:
        assert "\n" not in str(error)
        return
    with Catalogue(catalogue_path(folder / "p")) as catalogue:
        for one in catalogue.candidates():
            assert one.event.class_id == "owl"
            assert json.loads(one.bounds) is not None
            assert one.photo.page_url is None or one.photo.page_url.startswith("http")
