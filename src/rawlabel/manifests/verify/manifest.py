"""Check a manifest against itself, its folder and the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest, ManifestHeader, fingerprint_of, read_manifest
from rawlabel.base.files import read_json
from rawlabel.errors import DataError
from rawlabel.manifests.reading import row_faults
from rawlabel.manifests.verify.findings import Finding, Kind
from rawlabel.records import Verdict


def check_manifest(path: Path, catalogue: Catalogue, photos: ProjectPhotos) -> Iterator[Finding]:
    """Everything that is wrong with a manifest: its rows, fingerprint, counts, and the files it names."""
    try:
        manifest = read_manifest(path)
        manifest.table.validate(full=True)
        faults = list(row_faults(manifest.table, [spec.class_id for spec in manifest.all_classes]))
    except (DataError, pa.ArrowException) as error:
        yield Finding(Kind.MANIFEST, path, " ".join(str(error).split())[:500])
        return
    yield from (Finding(Kind.MANIFEST, path, fault) for fault in faults)
    yield from _check_fingerprint(manifest)
    if not faults:
        yield from _check_counts(manifest)
    yield from _check_paths(manifest, catalogue, photos)


def _check_fingerprint(manifest: Manifest) -> Iterator[Finding]:
    described = _header(manifest.path)["classes"]
    found = fingerprint_of(described, manifest.table)
    if found != manifest.fingerprint:
        yield Finding(Kind.MANIFEST, manifest.path, "was changed later: its fingerprint does not fit")
    elif manifest.path.parent.name != found[:12]:
        yield Finding(Kind.MANIFEST, manifest.path, f"lies in a folder that is not called {found[:12]}")


def _check_counts(manifest: Manifest) -> Iterator[Finding]:
    beside = {"funnel.json": manifest.funnel.as_json(), "config.json": _header(manifest.path).get("config")}
    for name, value in beside.items():
        path = manifest.path.with_name(name)
        try:
            if read_json(path, "what the manifest says too") != value:
                yield Finding(Kind.MANIFEST, path, "says other than the manifest")
        except DataError as error:
            yield Finding(Kind.MANIFEST, path, str(error))


def _check_paths(manifest: Manifest, catalogue: Catalogue, photos: ProjectPhotos) -> Iterator[Finding]:
    """Each kept row names the store's own file, and the catalogue knows it; others may name none."""
    columns = ["stored_sha256", "media_type", "path", "verdict"]
    prefix, known = "", frozenset[str]()
    for row in manifest.table.select(columns).group_by(columns).aggregate([]).sort_by("stored_sha256").to_pylist():
        digest, path = row["stored_sha256"] or "", row["path"]
        if path is None:
            if row["verdict"] == Verdict.KEPT:
                yield Finding(Kind.MANIFEST, manifest.path, "a kept row names no file")
            continue
        if path != photos.name(digest, row["media_type"] or ""):
            yield Finding(Kind.MANIFEST, manifest.path, f"names {path[:200]!r}, which is not in the image store")
            continue
        if digest[:2] != prefix:
            prefix = digest[:2]
            known = frozenset(one.sha256 for one in catalogue.stored_objects(prefix))
        if digest not in known:
            yield Finding(Kind.MANIFEST, manifest.path, f"names {path}, which the catalogue has not as fetched")


def _header(path: Path) -> ManifestHeader:
    header = json.loads((pq.read_schema(path).metadata or {})[b"rawlabel"])
    assert isinstance(header, dict)
    return cast("ManifestHeader", header)
