"""The verb `diff`: in what two manifests differ, label event by label event.

The tables are joined column by column, so that only what differs becomes Python objects.
"""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import CLOCK_COLUMNS, Manifest
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.untrusted_text import disarmed
from rawlabel.config import DiffConfig
from rawlabel.errors import ConfigError
from rawlabel.manifests.reading import find_manifest, read_received_manifest
from rawlabel.records import ClassSpec

PHOTO_KEY = ["source", "photo_id"]
EVENT_KEY = [*PHOTO_KEY, "class_id", "keyword"]


class Kind(StrEnum):
    """In what two manifests can differ."""

    CLASS = "class"
    PHOTO_ADDED = "photo_added"
    PHOTO_REMOVED = "photo_removed"
    EVENT_ADDED = "event_added"
    EVENT_REMOVED = "event_removed"
    VERDICT = "verdict"
    SPLIT = "split"
    LICENSE = "license"
    PIXELS = "pixels"
    BYTES = "bytes"
    OTHER = "other"

    def describe(self) -> str:
        """The kind of difference in one phrase for people, as the heading of its lines."""
        return _TEXT[self]


_TEXT = {
    Kind.CLASS: "classes with other names, keywords or definitions, added, removed or left out",
    Kind.PHOTO_ADDED: "photos added",
    Kind.PHOTO_REMOVED: "photos removed",
    Kind.EVENT_ADDED: "label events added",
    Kind.EVENT_REMOVED: "label events removed",
    Kind.VERDICT: "label events with another verdict or reason",
    Kind.SPLIT: "label events kept in both that moved to another split",
    Kind.LICENSE: "photos with another license",
    Kind.PIXELS: "photos with other pixels",
    Kind.BYTES: "photos with other bytes of the same pixels",
    Kind.OTHER: "label events that differ in something else",
}
_COLUMNS = {
    Kind.VERDICT: ("verdict", "reason"),
    Kind.SPLIT: ("split",),
    Kind.LICENSE: ("license_id", "license_name", "license_url"),
    Kind.PIXELS: ("pixel_sha256",),
    Kind.BYTES: ("sha256",),
}
_OF_PHOTOS = frozenset({Kind.LICENSE, Kind.PIXELS, Kind.BYTES})
_DEPENDENT = {
    "path", "stored_sha256", "perceptual_hash", "num_bytes", "width", "height", "media_type", "etag",
    "last_modified", "http_status",
}  # fmt: skip
"""What changes with the bytes and the verdict, and so is no difference of its own where these differ."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which the manifests differ."""

    kind: Kind
    source: str | None
    photo_id: str | None
    class_id: str | None
    keyword: str | None
    before: str
    after: str


def diff(config: DiffConfig) -> tuple[Manifest, Manifest, list[Difference]]:
    """Compare two manifests; both are read as untrusted.

    Raises `ConfigError` when one is not named, `DataError` when one cannot be read, and `DiskError`.
    """
    if config.before is None or config.after is None:
        raise ConfigError("BEFORE AFTER: name two manifests, for example `rawlabel diff birds other-birds`")
    before, after = (
        read_received_manifest(find_manifest(named, config.project)) for named in (config.before, config.after)
    )
    differences = list(differences_between(before, after))
    if config.out is not None:
        _write(config.out, differences)
    return before, after, differences


def differences_between(before: Manifest, after: Manifest) -> Iterator[Difference]:
    """Everything but clock readings in which two manifests differ, sorted by kind, then by label event."""
    yield from _classes(before, after)
    for key, added, removed in (
        (PHOTO_KEY, Kind.PHOTO_ADDED, Kind.PHOTO_REMOVED),
        (EVENT_KEY, Kind.EVENT_ADDED, Kind.EVENT_REMOVED),
    ):
        one, other = (manifest.table.select(key).group_by(key).aggregate([]) for manifest in (before, after))
        yield from _lonely(other, one, key, added)
        yield from _lonely(one, other, key, removed)
    both = before.table.join(
        after.table, EVENT_KEY, join_type="inner", left_suffix=" before", right_suffix=" after"
    ).sort_by([(name, "ascending") for name in EVENT_KEY])
    changed = {
        name: _differs(both[f"{name} before"], both[f"{name} after"])
        for name in SCHEMA.names
        if name not in EVENT_KEY and name not in CLOCK_COLUMNS
    }
    for kind in Kind:
        yield from _changed(kind, both, changed)


def _classes(before: Manifest, after: Manifest) -> Iterator[Difference]:
    one, other = (
        {spec.class_id: (spec, spec in manifest.left_out) for spec in manifest.all_classes}
        for manifest in (before, after)
    )
    for class_id in dict.fromkeys([*one, *other]):
        was, now = one.get(class_id), other.get(class_id)
        if was != now:
            yield Difference(Kind.CLASS, None, None, class_id, None, _described(was), _described(now))
    order = [class_id for class_id in before.class_ids if class_id in after.class_ids]
    if order != [class_id for class_id in after.class_ids if class_id in before.class_ids]:
        # The order is what gives each class its index in training.
        yield Difference(Kind.CLASS, None, None, None, None, *map(" ".join, (before.class_ids, after.class_ids)))


def _described(known: tuple[ClassSpec, bool] | None) -> str:
    if known is None:
        return ""
    spec, is_left_out = known
    said = f"{spec.name} ({', '.join(spec.keywords)}) {spec.definition}".rstrip()
    return f"{said}, left out" if is_left_out else said


def _lonely(table: pa.Table, other: pa.Table, key: list[str], kind: Kind) -> Iterator[Difference]:
    """Rows whose key the other table lacks."""
    lonely = table.join(other, key, join_type="left anti").sort_by([(name, "ascending") for name in key])
    for row in lonely.to_pylist():
        yield Difference(kind, row["source"], row["photo_id"], row.get("class_id"), row.get("keyword"), "", "")


def _differs(one: Any, other: Any) -> Any:
    """Mask of rows whose values differ, where null is a value like others."""
    unequal = pc.fill_null(pc.not_equal(one, other), False)
    return pc.or_(unequal, pc.xor(pc.is_null(one), pc.is_null(other)))


def _changed(kind: Kind, both: pa.Table, changed: Mapping[str, pa.ChunkedArray]) -> Iterator[Difference]:
    if kind is Kind.OTHER:
        covered = {name for columns in _COLUMNS.values() for name in columns}
        told = functools.reduce(pc.or_, [changed[name] for name in ("sha256", "pixel_sha256", "verdict")])
        masks = {
            name: pc.and_not(mask, told) if name in _DEPENDENT else mask
            for name, mask in changed.items()
            if name not in covered
        }
    else:
        masks = {name: changed[name] for name in _COLUMNS.get(kind, ())}
    if not masks:
        return
    mask = functools.reduce(pc.or_, masks.values())
    if kind is Kind.SPLIT:
        # A split comes and goes with the verdict; only one that moved is told.
        mask = pc.and_not(mask, changed["verdict"])
    if kind is Kind.BYTES:
        mask = pc.and_not(mask, changed["pixel_sha256"])
    seen: set[tuple[str, str]] = set()
    for row in both.append_column("mask", mask).filter(pc.field("mask")).to_pylist():
        photo = (row["source"], row["photo_id"])
        if kind in _OF_PHOTOS:
            if photo in seen:
                continue
            seen.add(photo)
        names = [name for name in masks if row[f"{name} before"] != row[f"{name} after"]]
        event = (None, None) if kind in _OF_PHOTOS else (row["class_id"], row["keyword"])
        yield Difference(kind, *photo, *event, *(_values(row, names, side) for side in ("before", "after")))


def _values(row: Mapping[str, object], names: Iterable[str], side: str) -> str:
    values = ((name, row[f"{name} {side}"]) for name in names)
    return ", ".join(f"{name} {value}" for name, value in values if value is not None)


def _write(path: Path, differences: list[Difference]) -> None:
    rows = [asdict(one) for one in differences]
    if path.suffix == ".json":
        write_json(path, rows)
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, [*Difference.__dataclass_fields__])
    writer.writeheader()
    writer.writerows({key: disarmed(value) for key, value in row.items()} for row in rows)
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())
