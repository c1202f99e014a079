"""The manifest: the frozen decisions of one curation, one row a label event, in Parquet.

Every label event of the catalogue has a row: kept, rejected or failed, with a reason from the closed list,
so the counts add up. A new curation makes a new manifest in a folder of its own, named by its fingerprint;
nothing is overwritten.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NotRequired, TypedDict

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rawlabel.artifacts.class_overlap import FILE as CLASS_OVERLAP
from rawlabel.artifacts.class_overlap import class_overlap
from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.funnel import Funnel
from rawlabel.artifacts.project import NEWEST, manifests_path
from rawlabel.artifacts.review.reviewed import NOT_REVIEWED, Reviewed
from rawlabel.base.checked import check_record
from rawlabel.base.files import atomic_write, read_json, write_json
from rawlabel.base.version import __version__
from rawlabel.errors import DataError
from rawlabel.records import ClassSpec, Split, Verdict

CLOCK_COLUMNS = ("searched_at", "license_read_at", "fetched_at")
"""When things were asked for [seconds since 1970]: no part of what makes two manifests equal."""
LATER_COLUMNS = ("copy_group", "injected_from")
"""Columns that manifests did not always have. Null says as much as a file without the column, and where it says
nothing else it is no part of the fingerprint."""
_FILE = "manifest.parquet"
_ROWS_PER_GROUP = 65_536
"""Rows of the file that are stored together: who wants a few reads so many."""
METADATA_KEY = b"rawlabel"
_FOLDER = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Manifest:
    """A manifest in memory; `table` has the columns of `SCHEMA`."""

    path: Path
    table: pa.Table
    classes: tuple[ClassSpec, ...]
    fingerprint: str
    parent: str | None = None
    """Fingerprint of the manifest that it was made from; None when it was curated from a catalogue."""
    left_out: tuple[ClassSpec, ...] = ()
    """Classes that were asked for and of which no photo is left: nothing is trained on them."""
    reviewed: Reviewed = NOT_REVIEWED
    """What a person who looked at photos had left out."""

    @property
    def project(self) -> Path:
        """Folder under which the `path` column's files lie."""
        return self.path.parents[2]

    @cached_property
    def class_ids(self) -> list[str]:
        """Ids of the classes that were asked for, in the order of their label indices, from 0."""
        return [spec.class_id for spec in self.classes]

    @property
    def all_classes(self) -> tuple[ClassSpec, ...]:
        """The classes, and behind them those that are left out: the rows speak of all."""
        return (*self.classes, *self.left_out)

    def warnings(self) -> list[str]:
        """What is not as it was asked for, one sentence for each class that is left out."""
        found = {row.class_id: row.found for row in self.funnel.classes} if self.left_out else {}
        return [
            f"class '{spec.class_id}' is left out: none of its {found[spec.class_id]:,} label events is "
            "kept; collect more for it, or take it out of the list"
            for spec in self.left_out
        ]

    def kept(self, split: Split | None = None) -> pa.Table:
        """Rows that are kept (of one split, or both)."""
        mask = pc.equal(self.table["verdict"], Verdict.KEPT.value)
        if split is not None:
            mask = pc.and_(mask, pc.equal(self.table["split"], split.value))
        return self.table.filter(mask)

    @cached_property
    def funnel(self) -> Funnel:
        """Counts for each class and in all: found, then each verdict and reason. Raises `DataError`."""
        try:
            return Funnel.of(self.table, [spec.class_id for spec in self.all_classes])
        except ValueError as error:
            raise DataError(
                f"{self.path}: the counts of its decisions do not add up ({error}); run `rawlabel curate` again"
            ) from error


def write_manifest(
    project: Path,
    table: pa.Table,
    classes: Sequence[ClassSpec],
    *,
    config: Mapping[str, object],
    catalogue_fingerprint: str,
    parent: str | None = None,
    reviewed: Reviewed = NOT_REVIEWED,
    beside: Mapping[str, pa.Table] | None = None,
) -> Manifest:
    """Freeze the decisions of `table` (`table_of`) in `project`/manifests/<fingerprint>/ and make them the newest.

    Classes of which no row is kept are marked as left out and come last, unless all are so. `config` holds the
    resolved settings of the verb that decided, saved with the manifest, and `parent` is the fingerprint of the
    manifest that it was made from, if any, and `reviewed` what a person had left out. `beside` are tables that
    explain it, by the names of their Parquet files. Raises `DiskError`.
    """
    kept = set(table.filter(pc.equal(table["verdict"], Verdict.KEPT.value))["class_id"].unique().to_pylist())
    left_out = tuple(spec for spec in classes if spec.class_id not in kept) if kept else ()
    classes = tuple(spec for spec in classes if spec not in left_out)
    described: list[ClassRow] = [
        *(_described(spec) for spec in classes),
        *(_described(spec, is_left_out=True) for spec in left_out),
    ]
    digest = fingerprint_of(described, table)
    parent = None if parent == digest else parent
    header: ManifestHeader = {
        "rawlabel": __version__,
        "classes": described,
        "fingerprint": digest,
        "catalogue_fingerprint": catalogue_fingerprint,
        "config": config,
        "parent": parent,
    }
    if reviewed != NOT_REVIEWED:
        header["reviewed"] = reviewed.as_json()
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(header, sort_keys=True).encode()})
    path = manifests_path(project) / digest[:12] / _FILE
    manifest = Manifest(path, table, classes, digest, parent, left_out, reviewed)
    for name, explaining in (beside or {}).items():
        with atomic_write(path.with_name(name)) as stream:
            pq.write_table(explaining, stream)
    with atomic_write(path) as stream:
        pq.write_table(table, stream, row_group_size=_ROWS_PER_GROUP)
    write_json(path.with_name("config.json"), config)
    write_json(path.with_name("funnel.json"), manifest.funnel.as_json())
    write_json(path.with_name(CLASS_OVERLAP), [one.as_json() for one in class_overlap(table)])
    write_json(manifests_path(project) / NEWEST, {"manifest": digest[:12]})
    return manifest


class ClassRow(TypedDict):
    """A class as the header of a manifest lists it."""

    class_id: str
    name: str
    keywords: list[str]
    definition: str
    left_out: NotRequired[bool]
    """Whether none of its photos was kept."""


class ManifestHeader(TypedDict):
    """What a manifest's file says of the whole, beside its rows."""

    rawlabel: str
    """The version that wrote it."""
    classes: list[ClassRow]
    fingerprint: str
    catalogue_fingerprint: str
    config: Mapping[str, object]
    parent: str | None
    reviewed: NotRequired[Mapping[str, object]]
    """What a person had left out."""


def _described(spec: ClassSpec, *, is_left_out: bool = False) -> ClassRow:
    """A class as the header lists it."""
    row: ClassRow = {
        "class_id": spec.class_id,
        "name": spec.name,
        "keywords": list(spec.keywords),
        "definition": spec.definition,
    }
    if is_left_out:
        row["left_out"] = True
    return row


def by_mark(
    classes: Sequence[ClassSpec], described: Sequence[ClassRow]
) -> tuple[tuple[ClassSpec, ...], tuple[ClassSpec, ...]]:
    """The classes of a header, and those of them that it marks as left out."""
    marked = [one.get("left_out") is True for one in described]
    pairs = list(zip(classes, marked, strict=True))
    return tuple(spec for spec, is_out in pairs if not is_out), tuple(spec for spec, is_out in pairs if is_out)


def fingerprint_of(classes: Sequence[ClassRow], table: pa.Table) -> str:
    """SHA-256 (hex) of the classes, as the header lists them, and of all rows but the clock."""
    silent = {name for name in LATER_COLUMNS if table[name].null_count == table.num_rows}
    names = sorted(name for name in table.column_names if name not in CLOCK_COLUMNS and name not in silent)
    digest = hashlib.sha256(f"[{json.dumps(list(classes), sort_keys=True)}, [".encode())
    encode, separator = json.JSONEncoder().encode, ""
    for batch in table.select(names).to_batches(max_chunksize=4096):
        # Texts by way of numpy: several times as fast as Arrow's own lists, and nulls stay what they are.
        columns = (
            column.to_numpy(zero_copy_only=False) if pa.types.is_string(column.type) else column.to_pylist()
            for column in batch.columns
        )
        for values in zip(*columns, strict=True):
            digest.update((separator + encode(dict(zip(names, values, strict=True)))).encode())
            separator = ", "
    digest.update(b"]]")
    return digest.hexdigest()


def read_manifest(path: Path, columns: Sequence[str] | None = None) -> Manifest:
    """Read a manifest file; raises `DataError` that names it and the remedy.

    With `columns` its table has these alone, as dictionaries: each text once, and a number in each row.
    """
    try:
        if columns is None:
            table = pq.read_table(path)
        else:
            table = pq.read_table(path, columns=list(columns), read_dictionary=list(columns)).unify_dictionaries()
        header = json.loads((table.schema.metadata or {})[METADATA_KEY])
        classes, left_out = by_mark(
            [
                ClassSpec(one["class_id"], one["name"], tuple(one["keywords"]), one.get("definition", ""))
                for one in header["classes"]
            ],
            header["classes"],
        )
        fingerprint, parent = header["fingerprint"], header.get("parent")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such manifest; run `rawlabel curate` first") from error
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is not a manifest of rawlabel; run `rawlabel curate` again") from error
    if not set(columns or SCHEMA.names) <= {*table.column_names, *LATER_COLUMNS}:
        raise DataError(f"{path}: lacks columns of a manifest; run `rawlabel curate` again")
    for name in LATER_COLUMNS:
        if columns is None and name not in table.column_names:
            field = SCHEMA.field(name)
            nulls = pa.nulls(table.num_rows, field.type)
            table = table.add_column(SCHEMA.get_field_index(name), field, nulls)
    return Manifest(path.absolute(), table, classes, fingerprint, parent, left_out, reviewed_of(header, path))


def reviewed_of(header: object, path: Path) -> Reviewed:
    """What a manifest's header says of people who looked at its photos. Raises `DataError` that names `path`."""
    value = header.get("reviewed") if isinstance(header, dict) else None
    return NOT_REVIEWED if value is None else check_record(Reviewed, value, path, "run `rawlabel curate` again")


def is_manifest(path: Path) -> bool:
    """Whether a file is there and is one of rawlabel's manifests, by its header."""
    try:
        return path.is_file() and METADATA_KEY in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def newest_manifest(project: Path) -> Path | None:
    """Path of the project's newest manifest, or None when nothing has been curated yet."""
    pointer = manifests_path(project) / NEWEST
    if not pointer.is_file():
        return None
    content = read_json(pointer, "the name of the newest manifest")
    name = content.get("manifest") if isinstance(content, dict) else None
    if not isinstance(name, str) or not _FOLDER.fullmatch(name):
        raise DataError(f"{pointer}: names no manifest; run `rawlabel curate` again")
    return manifests_path(project) / name / _FILE


def classes_of(path: Path) -> dict[str, str]:
    """Name by class id of a manifest's classes, those that are left out included; its header alone is read.

    Raises `DataError`.
    """
    try:
        header = json.loads((pq.read_schema(path).metadata or {})[METADATA_KEY])
        return {str(one["class_id"]): str(one["name"]) for one in header["classes"]}
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: is not a manifest of rawlabel; run `rawlabel curate` again") from error


def photos_looked_at(path: Path) -> int:
    """How many photos of a manifest a person looked at; 0 where nobody did, and for what is no manifest.

    `path` is its file, its folder or a project, which means its newest manifest; the header alone is read.
    """
    if path.is_dir():
        path = path / _FILE if (path / _FILE).is_file() else newest_manifest(path) or path / _FILE
    try:
        header = json.loads((pq.read_schema(path).metadata or {})[METADATA_KEY])
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return 0
    return reviewed_of(header, path).looked_at
