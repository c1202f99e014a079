"""The verb `rebuild`: a data set again from its manifest, on another machine and at another time.

The manifest comes from anybody. Its photos are downloaded in the same safe way as any others, each is compared
with what the manifest promises, and what is no longer the same picture is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.decision import table_of
from rawlabel.artifacts.manifest import Manifest, write_manifest
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base.files import read_json, write_json
from rawlabel.base.signals import run_until_stopped
from rawlabel.config import CollectConfig, DownloadSettings, RebuildConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.manifests.reading import read_received_manifest
from rawlabel.manifests.rebuild.comparison import Likeness, Promise, likeness
from rawlabel.manifests.rebuild.decisions import decided_here
from rawlabel.manifests.rebuild.download import delete_changed_pictures, download
from rawlabel.manifests.rebuild.report import RebuildReport
from rawlabel.manifests.rebuild.seeding import seed
from rawlabel.records import Verdict

__all__ = ["Likeness", "RebuildReport", "Rebuilt", "rebuild"]

_AT_ONCE = 2000
"""Photos looked at together; what bounds the memory."""
_PHOTO_KEY = ["source", "photo_id"]
_PROMISE = ["sha256", "pixel_sha256", "perceptual_hash", "url"]


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild came to."""

    manifest: Manifest
    report: RebuildReport
    report_path: Path


def rebuild(config: RebuildConfig) -> Rebuilt:
    """Download what the manifest promises, compare, and write a new manifest and a report.

    The same call goes on after an interruption and asks again for what met a passing fault.
    Raises `ConfigError`, `DataError` for a manifest that cannot be right or a project that holds something else,
    `ClassFileError` for its classes, `SourceError` when no host answers, and `DiskError`.
    """
    if config.manifest is None:
        raise ConfigError("MANIFEST: name the manifest, for example `rawlabel rebuild manifest.parquet`")
    received = read_received_manifest(config.manifest)
    wanted = _wanted(received, every=config.all)
    is_seeded = _take_project(config, received)
    with Catalogue(catalogue_path(config.project), create=True) as catalogue:
        if not is_seeded:
            seed(catalogue, received)
            _mark(config, received, is_seeded=True)
        sources = pc.unique(wanted["source"]).to_pylist()
        job = download(_as_collecting(config), catalogue, _promises(wanted), sources, wanted.num_rows)
        run_until_stopped(job)
        delete_changed_pictures(config.project, catalogue)
        report = RebuildReport(received, config.as_json())
        for promises in _promises(wanted):
            outcomes = catalogue.outcomes(list(promises))
            for key, promise in promises.items():
                report.add(key, promise, likeness(promise, outcomes.get(key)), outcomes.get(key))
        manifest = write_manifest(
            config.project,
            table_of(decided_here(received, catalogue, config.project)),
            received.all_classes,
            config=config.as_json(),
            catalogue_fingerprint=catalogue.fingerprint(),
            parent=received.fingerprint,
            reviewed=received.reviewed,
        )
    path = config.project / "rebuild-report.json"
    write_json(path, report.as_json(manifest))
    return Rebuilt(manifest, report, path)


def _wanted(received: Manifest, *, every: bool) -> pa.Table:
    """The photos to download, one row each; those that the first project could not get are not tried."""
    table = received.table
    mask = pc.equal(table["verdict"], Verdict.KEPT.value)
    if every:
        mask = pc.or_(mask, pc.is_valid(table["stored_sha256"]))
    firsts = [(name, "first") for name in _PROMISE]
    # Without threads, `first` is the first in the manifest's order.
    grouped = table.filter(mask).group_by(_PHOTO_KEY, use_threads=False).aggregate([*firsts, ("class_id", "list")])
    return grouped.rename_columns([*_PHOTO_KEY, *_PROMISE, "class_ids"])


def _promises(wanted: pa.Table) -> Iterator[dict[tuple[str, str], Promise]]:
    for batch in wanted.to_batches(max_chunksize=_AT_ONCE):
        yield {(row["source"], row["photo_id"]): _promise(row) for row in batch.to_pylist()}


class _PromiseRow(TypedDict):
    """The columns of a photo that is wanted."""

    sha256: str | None
    pixel_sha256: str | None
    perceptual_hash: str | None
    url: str | None
    class_ids: list[str]


def _promise(row: _PromiseRow) -> Promise:
    class_ids = tuple(dict.fromkeys(row["class_ids"]))
    return Promise(row["sha256"], row["pixel_sha256"], row["perceptual_hash"], row["url"], class_ids)


def _marker(project: Path) -> Path:
    return project / "rebuild.json"


def _take_project(config: RebuildConfig, received: Manifest) -> bool:
    """Make sure that the project is new or this manifest's; return whether the catalogue was filled before."""
    marker = _marker(config.project)
    if marker.is_file():
        known: Any = read_json(marker, "what is rebuilt here")
        if not isinstance(known, dict) or known.get("manifest") != received.fingerprint:
            raise DataError(f"{config.project}: another manifest was rebuilt here; choose another --project")
        return known.get("is_seeded") is True and catalogue_path(config.project).is_file()
    if catalogue_path(config.project).exists():
        raise DataError(f"{config.project}: holds a collection already; choose another --project")
    _mark(config, received, is_seeded=False)
    return False


def _mark(config: RebuildConfig, received: Manifest, *, is_seeded: bool) -> None:
    write_json(
        _marker(config.project),
        {"manifest": received.fingerprint, "is_seeded": is_seeded, "config": config.as_json()},
    )


def _as_collecting(config: RebuildConfig) -> CollectConfig:
    shared = {name: getattr(config, name) for name in DownloadSettings.model_fields}
    return CollectConfig(project=config.project, source=(), **shared)
