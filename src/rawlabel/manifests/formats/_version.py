"""Versions of a data set: what changed since the card before decides which number goes up.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html, section Version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import CLOCK_COLUMNS, Manifest, read_manifest
from rawlabel.base.files import read_json
from rawlabel.errors import DataError
from rawlabel.manifests.formats._photos import each_row

_FACTS = [name for name in SCHEMA.names if name not in CLOCK_COLUMNS]
_SEMVER = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """A version and the day on which it was first written (UTC)."""

    number: str
    published: str


def version_after(card: Path | None, manifest: Manifest) -> Version:
    """The version of `manifest`, counted from an earlier Croissant `card` beside whose file its manifest lies.

    Records that changed or are gone make a new MAJOR version, records that came a MINOR one, and equal ones none.
    Raises `DataError` when the card cannot be read.
    """
    today = datetime.now(UTC).date().isoformat()
    if card is None:
        return Version("1.0.0", today)
    values: Any = read_json(card, "a Croissant card")
    stated = str(values.get("version")) if isinstance(values, dict) else ""
    found = _SEMVER.fullmatch(stated)
    if not found:
        raise DataError(f"{card}: states no version MAJOR.MINOR.PATCH; name another card by --earlier")
    major, minor = int(found[1]), int(found[2])
    earlier = _earlier_manifest(card, values)
    # A card without its manifest cannot be compared, and then all may have changed.
    if earlier is None or not (before := _records(earlier)) <= (now := _records(manifest)):
        return Version(f"{major + 1}.0.0", today)
    if before != now:
        return Version(f"{major}.{minor + 1}.0", today)
    return Version(stated, _day(values.get("datePublished")) or today)


def _earlier_manifest(card: Path, values: Mapping[str, object]) -> Manifest | None:
    """The manifest that the card describes; None when it is absent or another one has taken its place."""
    files = values.get("distribution")
    tables = [one for one in files if isinstance(one, dict)] if isinstance(files, list) else []
    stated = [one.get("sha256") for one in tables if one.get("@id") == "manifest"]
    path = card.parent / "manifest.parquet"
    if not path.is_file() or [hashlib.sha256(path.read_bytes()).hexdigest()] != stated:
        return None
    return read_manifest(path)


def _records(manifest: Manifest) -> set[bytes]:
    """A digest of each record; when it was asked for is no part of it."""
    rows = each_row(manifest.table.select(_FACTS))
    return {hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest() for row in rows}


def _day(value: Any) -> str | None:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return None
