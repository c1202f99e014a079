"""Find the manifest that a user names, and read manifests that strangers wrote.

A manifest from elsewhere is untrusted: nothing in it is used as a path, its size is limited before and while it is
read, and a value that cannot be right is refused. What its addresses may reach is the downloader's to decide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import (
    LATER_COLUMNS,
    Manifest,
    ManifestHeader,
    by_mark,
    fingerprint_of,
    newest_manifest,
    reviewed_of,
)
from rawlabel.artifacts.project import manifests_path
from rawlabel.errors import DataError
from rawlabel.gather.classes.reading import class_spec, refuse_collisions
from rawlabel.records import ClassSpec, Reason, Split, Verdict

MOST_ROWS = 50_000_000
MOST_BYTES = 8 * 2**30
"""Of the file, and of what it holds when it is unpacked [bytes]."""
MOST_HEADER_BYTES = 64 * 2**20
LONGEST_TEXT = 20_000
"""Longest text of one cell [bytes of UTF-8]."""
MOST_SOURCES = 100
_BATCH = 1024
_EVENT_KEY = ["source", "photo_id", "class_id", "keyword"]
_HASH = "^[0-9a-f]{64}$"
_PATTERNS = {
    "source": r"^[A-Za-z0-9_.-]{1,64}$",
    "photo_id": r"^[^\x00-\x1f\x7f]{1,1000}$",
    "keyword": r"^[^\x00-\x1f\x7f]{1,1000}$",
    "copy_group": r"^[A-Za-z0-9_.-]{1,64}:[^\x00-\x1f\x7f]{1,1000}$",
    "injected_from": r"^[^\x00-\x1f\x7f/\\]{1,1000}$",
    "sha256": _HASH, "pixel_sha256": _HASH, "stored_sha256": _HASH, "perceptual_hash": _HASH,
}  # fmt: skip
_FINGERPRINT = re.compile(r"[0-9a-f]{4,64}")
_GET_ANEW = "get it anew from where it came from"


def find_manifest(named: str | Path, project: Path) -> Path:
    """The manifest file meant by a path (of it, its folder or a project) or by digits of a fingerprint.

    Fingerprints are looked up in `project`. Raises `DataError` that says what was looked for.
    """
    path = Path(named)
    if path.is_dir():
        found = path / "manifest.parquet" if (path / "manifest.parquet").is_file() else newest_manifest(path)
        if found is None:
            raise DataError(f"{path}: has no manifest; run `rawlabel curate` first")
        return found
    if path.is_file() or not _FINGERPRINT.fullmatch(str(named)):
        return path
    known = manifests_path(project)
    folders = sorted(one for one in known.glob("*") if one.name.startswith(str(named)[:12]))
    if len(folders) != 1:
        problem = "several manifests begin so; give more digits" if folders else "no such manifest here"
        raise DataError(f"{known}/{named}: {problem}")
    return folders[0] / "manifest.parquet"


def read_received_manifest(path: Path) -> Manifest:
    """Read a manifest that anybody may have written.

    Raises `DataError`, or `ClassFileError` for its classes, of one line that names the file, what is wrong with
    it and the remedy.
    """
    if path.is_dir():
        path = find_manifest(path, path)
    if not path.is_file():
        raise DataError(f"{path}: no such manifest; check the path")
    try:
        table, header = _read_table(path), _read_header(path)
        described = header["classes"]
        classes = _classes(path, described)
        fault = next(row_faults(table, [spec.class_id for spec in classes]), None)
        if fault is not None:
            raise DataError(f"{path}: {fault}; {_GET_ANEW}")
        is_whole = fingerprint_of(described, table) == header["fingerprint"]
    except (OSError, MemoryError, RecursionError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is not a manifest of rawlabel; {_GET_ANEW}") from error
    if not is_whole:
        raise DataError(f"{path}: was changed after it was written (its fingerprint does not fit); {_GET_ANEW}")
    parent = header.get("parent")
    parent = parent if isinstance(parent, str) and _FINGERPRINT.fullmatch(parent) else None
    kept, left_out = by_mark(classes, described)
    manifest = Manifest(
        path.absolute(), table, kept, header["fingerprint"], parent, left_out, reviewed_of(header, path)
    )
    if not set(manifest.kept()["class_id"].unique().to_pylist()) <= set(manifest.class_ids):
        raise DataError(f"{path}: keeps photos of a class that it leaves out; {_GET_ANEW}")
    return manifest


def row_faults(table: pa.Table, class_ids: list[str]) -> Iterator[str]:
    """What cannot be right in a manifest's rows, each in a few words; nothing when all is well."""
    kept = pc.fill_null(pc.equal(table["verdict"], Verdict.KEPT.value), False)
    for name, pattern in _PATTERNS.items():
        fits = pc.match_substring_regex(table[name], pattern)
        if not _all(pc.fill_null(fits, pattern is _HASH or name in LATER_COLUMNS)):
            yield f"column '{name}' holds a value that cannot be one"
    closed: dict[str, list[str]] = {
        "verdict": [*Verdict], "reason": [*Reason], "split": [*Split], "class_id": class_ids
    }  # fmt: skip
    for name, values in closed.items():
        known = pc.is_in(table[name], value_set=pa.array(values, pa.string()))
        if name in ("reason", "split"):
            known = pc.or_(known, pc.is_null(table[name]))
        if not _all(known):
            yield f"column '{name}' holds a value that is not among the known ones"
    for name, wanted in (("reason", pc.invert(kept)), ("split", kept)):
        if not _all(pc.equal(pc.is_valid(table[name]), wanted)):
            yield f"a row's {name} does not go with its verdict"
    if not _all(pc.fill_null(pc.greater_equal(table["rank"], 0), False)):
        yield "column 'rank' holds a value that is no rank"
    has_hash = pc.or_(pc.is_valid(table["sha256"]), pc.is_valid(table["pixel_sha256"]))
    if not _all(pc.or_(pc.invert(kept), has_hash)):
        yield "a kept row says neither the digest of the bytes nor of the pixels"
    if table.select(_EVENT_KEY).group_by(_EVENT_KEY).aggregate([]).num_rows != table.num_rows:
        yield "one label event stands there twice"
    if pc.count_distinct(table["source"]).as_py() > MOST_SOURCES:
        yield "column 'source' names more sources than there are"
    if not all(_is_json_object(one) for one in pc.unique(table["part"]).to_pylist()):
        yield "column 'part' holds a value that is no JSON object"


def _all(mask: Any) -> bool:
    return bool(pc.all(mask, min_count=0).as_py())


def _is_json_object(text: str | None) -> bool:
    try:
        return text is None or isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _read_header(path: Path) -> ManifestHeader:
    text = (pq.read_schema(path).metadata or {})[b"rawlabel"]
    if len(text) > MOST_HEADER_BYTES:
        raise DataError(f"{path}: the header is larger than any manifest's; {_GET_ANEW}")
    header = json.loads(text)
    if not isinstance(header, dict) or not isinstance(header["fingerprint"], str):
        raise ValueError("no header")
    return cast("ManifestHeader", header)


def _classes(path: Path, described: Any) -> tuple[ClassSpec, ...]:
    if not isinstance(described, list) or not all(isinstance(one, Mapping) for one in described):
        raise ValueError("no list of classes")
    keys = ("keywords", "name", "definition")
    specs = [
        class_spec(str(path), one.get("class_id"), {key: one[key] for key in keys if key in one})
        for one in described
    ]
    refuse_collisions(str(path), specs)
    return tuple(specs)


def _read_table(path: Path) -> pa.Table:
    """All rows in the columns of `SCHEMA`, checked for types and sizes before they are unpacked."""
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path}: is larger than any manifest; {_GET_ANEW}")
    with pq.ParquetFile(path) as file:
        _check_types(path, file)
        present = [name for name in SCHEMA.names if name in file.schema_arrow.names]
    texts = [name for name in present if pa.types.is_string(SCHEMA.field(name).type)]
    total, batches = 0, []
    # Texts are read as dictionaries: a file can say a long text once and mean it a million times.
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(_BATCH, columns=present):
            total += sum(_text_bytes(path, batch[name]) for name in texts)
            if total > MOST_BYTES:
                raise DataError(f"{path}: holds more text than any manifest; {_GET_ANEW}")
            columns = [
                batch[field.name].cast(field.type) if field.name in present else pa.nulls(len(batch), field.type)
                for field in SCHEMA
            ]
            plain = pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
            plain.validate(full=True)
            batches.append(plain)
    return pa.Table.from_batches(batches, schema=SCHEMA)


def _check_types(path: Path, file: pq.ParquetFile) -> None:
    found = file.schema_arrow
    strange = next((name for name in found.names if name not in SCHEMA.names), None)
    if strange is not None:
        raise DataError(f"{path}: has a column {strange[:80]!r} that this version does not know; update rawlabel")
    for field in SCHEMA:
        if field.name in LATER_COLUMNS and field.name not in found.names:
            continue
        if found.names.count(field.name) != 1:
            raise DataError(f"{path}: has no column '{field.name}', or several; {_GET_ANEW}")
        kind = found.field(field.name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not (is_text if pa.types.is_string(field.type) else pa.types.is_integer(kind)):
            raise DataError(f"{path}: column '{field.name}' holds {kind}, not {field.type}; {_GET_ANEW}")
    unpacked = sum(file.metadata.row_group(index).total_byte_size for index in range(file.num_row_groups))
    if file.metadata.num_rows > MOST_ROWS or unpacked > MOST_BYTES:
        raise DataError(f"{path}: is larger than any manifest; {_GET_ANEW}")


def _text_bytes(path: Path, column: pa.Array) -> int:
    """Length of all texts of a column; raises `DataError` when one is too long."""
    if pa.types.is_dictionary(column.type):
        lengths = pc.binary_length(column.dictionary).take(column.indices)
    else:
        lengths = pc.binary_length(column)
    if (pc.max(lengths).as_py() or 0) > LONGEST_TEXT:
        raise DataError(f"{path}: holds a text of more than {LONGEST_TEXT} bytes; {_GET_ANEW}")
    return int(pc.sum(lengths).as_py() or 0)
