"""Manifests made by hand, for tests that need no photos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import Manifest, fingerprint_of, write_manifest
from rawlabel.records import ClassSpec

CLASSES = (ClassSpec("owl", "owl", ("owl", "barn owl")), ClassSpec("robin", "robin", ("robin",), "a small bird"))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def kept_row(number: int, class_id: str = "owl", keyword: str | None = None, **changes: Any) -> dict[str, Any]:
    """A kept photo of its own author."""
    name = f"{number:03d}"
    row = dict.fromkeys(SCHEMA.names) | {
        "source": "flickr", "photo_id": name, "class_id": class_id, "keyword": keyword or class_id, "rank": number,
        "part": "{}", "verdict": "kept", "group": f"flickr:author {name}", "split": "train",
        "path": f"images/{digest(name)}.jpg", "sha256": digest(name), "stored_sha256": digest(name),
        "pixel_sha256": digest("pixels " + name), "perceptual_hash": digest("look " + name),
        "title": f"photo {name}",
        "url": f"https://host/{name}.jpg", "license_id": "4", "license_name": "CC BY 2.0", "origin": "",
        "media_type": "image/jpeg", "author_id": f"author {name}",
    }  # fmt: skip
    return row | changes


def as_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def write_rows(project: Path, rows: Sequence[dict[str, Any]], classes: Sequence[ClassSpec] = CLASSES) -> Manifest:
    return write_manifest(project, as_table(rows), classes, config={}, catalogue_fingerprint="")


def forge(folder: Path, rows: Sequence[dict[str, Any]], described: Any = None) -> Path:
    """A manifest file of any content whose fingerprint fits, as an attacker would write it."""
    if described is None:
        described = [asdict(one) | {"keywords": list(one.keywords)} for one in CLASSES]
    table = as_table(rows)
    header = {"classes": described, "fingerprint": fingerprint_of(described, table)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "manifest.parquet"
    pq.write_table(table.replace_schema_metadata({b"rawlabel": json.dumps(header).encode()}), path)
    return path
