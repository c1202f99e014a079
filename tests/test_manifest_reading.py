"""Manifests from strangers: read when they can be right, else refused in one line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import CLOCK_COLUMNS, LATER_COLUMNS, fingerprint_of, read_manifest
from rawlabel.errors import DataError, RawlabelError
from rawlabel.manifests import reading as manifest_reading
from rawlabel.manifests.reading import read_received_manifest
from tests.helpers.manifest_rows import CLASSES, forge, kept_row, write_rows

ROWS = [kept_row(number) for number in range(5)]


def refused(path: Path) -> str:
    with pytest.raises(RawlabelError) as caught:
        read_received_manifest(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def write_table(path: Path, table: pa.Table, header: Any) -> Path:
    pq.write_table(table.replace_schema_metadata({b"rawlabel": json.dumps(header).encode()}), path)
    return path


def header_of(path: Path) -> Any:
    return json.loads(pq.read_schema(path).metadata[b"rawlabel"])


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = write_rows(tmp_path, ROWS)
    for path in (written.path, written.path.parent):
        read = read_received_manifest(path)
        assert read.table.equals(written.table)
        # Nothing is kept of the second class.
        assert (read.fingerprint, read.all_classes) == (written.fingerprint, CLASSES)
        assert (read.classes, read.left_out) == (CLASSES[:1], CLASSES[1:])


def test_a_manifest_that_keeps_photos_of_a_class_that_it_leaves_out_is_refused(tmp_path: Path) -> None:
    written = write_rows(tmp_path, ROWS)
    header = header_of(written.path)
    header["classes"] = [one | {"left_out": True} for one in header["classes"]]
    header["fingerprint"] = fingerprint_of(header["classes"], written.table)
    path = write_table(tmp_path / "forged.parquet", written.table, header)
    with pytest.raises(DataError, match="keeps photos of a class that it leaves out"):
        read_received_manifest(path)


def test_the_fingerprint_is_that_of_the_plain_json(tmp_path: Path) -> None:
    rows = [row | {"width": 7 if index % 2 else None, "title": "é😀\n\x00"} for index, row in enumerate(ROWS)]
    manifest = write_rows(tmp_path, rows)
    silent = {*CLOCK_COLUMNS, *LATER_COLUMNS}
    facts = [{name: value for name, value in row.items() if name not in silent} for row in rows]
    described = header_of(manifest.path)["classes"]
    plain = json.dumps([described, facts], sort_keys=True)
    assert manifest.fingerprint == hashlib.sha256(plain.encode()).hexdigest()


HOSTILE = {
    "source": ["../x", "", "a/b", None, "x" * 65],
    "photo_id": ["", None, "a\nb", "\x00", "\x1b[2J"],
    "class_id": ["../../x", "eagle", None],
    "keyword": ["", None, "a\x00"],
    "verdict": ["Kept", None, "failed"],
    "reason": ["because", "near_duplicate"],
    "split": ["test", None],
    "sha256": ["x", "A" * 64, "../" * 20],
    "pixel_sha256": ["../x"],
    "stored_sha256": ["../../../etc/passwd", ""],
    "rank": [-1, None],
    "part": ["[1]", "{", "7", '{"a":' * 5000],
    "title": ["x" * 20_001],
}


@pytest.mark.parametrize(
    ("column", "value"), [(name, value) for name, values in HOSTILE.items() for value in values], ids=repr
)
def test_a_value_that_cannot_be_right_is_refused(tmp_path: Path, column: str, value: object) -> None:
    message = refused(forge(tmp_path, [ROWS[0] | {column: value}, *ROWS[1:]]))
    assert column in message or "text of more than" in message or "verdict" in message


@pytest.mark.parametrize("class_id", ["../x", "/x", "con", "a\\b", "a\x00", ".", "", "x" * 200, "OWL"])
def test_class_ids_that_are_no_folder_names_or_collide(tmp_path: Path, class_id: str) -> None:
    path = write_rows(tmp_path, ROWS).path
    header = header_of(path)
    header["classes"][1]["class_id"] = class_id
    assert "class" in refused(write_table(path, pq.read_table(path), header))


def test_rows_that_were_changed_do_not_fit_the_fingerprint(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ROWS).path
    table, header = pq.read_table(path), header_of(path)
    urls = pa.array(["http://bad.example/"] * len(ROWS), pa.string())
    position = table.column_names.index("url")
    assert "was changed" in refused(write_table(path, table.set_column(position, "url", urls), header))
    header["classes"][0]["name"] = "eagle"
    assert "was changed" in refused(write_table(path, table, header))


def test_types_columns_and_headers_are_checked(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ROWS).path
    table, header = pq.read_table(path), header_of(path)
    for name in ("url", "rank", "path"):
        position = table.column_names.index(name)
        for wrong in (pa.array([[1]] * 5), pa.array([1.5] * 5), pa.array([b"\xff"] * 5, pa.binary())):
            assert f"'{name}' holds" in refused(write_table(path, table.set_column(position, name, wrong), header))
        assert f"no column '{name}'" in refused(write_table(path, table.drop_columns([name]), header))
    more = table.append_column("extra", pa.array(["x"] * 5))
    assert "does not know" in refused(write_table(path, more, header))
    twice = pa.table([*table.columns, table["url"]], names=[*table.column_names, "url"])
    assert "or several" in refused(write_table(path, twice, header))
    for bad in ([], None, 7, {}, {"classes": 7, "fingerprint": "x"}, {**header, "fingerprint": 5}):
        assert "not a manifest" in refused(write_table(path, table, bad))
    large_texts = pa.schema(
        [pa.field(f.name, pa.large_string() if f.type == pa.string() else f.type) for f in SCHEMA]
    )
    assert read_received_manifest(write_table(path, table.cast(large_texts), header)).table.equals(table)


def test_a_small_file_that_unpacks_to_very_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [kept_row(number, title="x" * 19_000) for number in range(3000)]
    path = write_rows(tmp_path, rows).path
    assert path.stat().st_size < 2_000_000
    monkeypatch.setattr(manifest_reading, "MOST_BYTES", 30_000_000)
    assert "more text than any manifest" in refused(path)
    monkeypatch.setattr(manifest_reading, "MOST_ROWS", 2999)
    assert "larger than any manifest" in refused(path)


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ROWS).path
    table, header = pq.read_table(path), header_of(path)
    raw = pa.array([b"\xff\xfe"] * 5, pa.binary()).view(pa.string())
    position = table.column_names.index("title")
    assert "not a manifest" in refused(write_table(path, table.set_column(position, "title", raw), header))


texts = st.none() | st.text(max_size=30) | st.sampled_from(["../../x", "file:///x", "=1", "{}", "a" * 64])
cells = st.fixed_dictionaries(
    {},
    optional={
        field.name: texts if field.type == pa.string() else st.none() | st.integers(-(2**31), 2**31 - 1)
        for field in SCHEMA
    },
)


@pytest.mark.integration
@settings(max_examples=30)
@given(rows=st.lists(cells, max_size=4))
def test_rows_of_any_content_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = forge(folder, [kept_row(number) | changes for number, changes in enumerate(rows)])
    try:
        read = read_received_manifest(path)
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert read.table.equals(read_manifest(path).table)


@pytest.mark.integration
@settings(max_examples=60)
@given(data=st.data())
def test_bytes_of_any_content_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = write_rows(tmp_path_factory.mktemp("whole"), ROWS).path
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    path = whole.with_name("other.parquet")
    path.write_bytes(bytes(content[:end]))
    try:
        read_received_manifest(path)
    except RawlabelError as error:
        assert "\n" not in str(error)
