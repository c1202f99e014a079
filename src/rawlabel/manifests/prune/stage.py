"""The verb `prune`: ask the photo sites again, leave out what was taken down, and delete its pixels.

Answers are facts of the catalogue. The new manifest is written before any file is deleted, and which files are to
go follows from the catalogue alone, so a stopped run goes on to the same end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import LastSeen
from rawlabel.artifacts.decision import Decision, decisions_of, table_of
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest, write_manifest
from rawlabel.artifacts.presence import decided_again
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base.files import read_json
from rawlabel.base.licenses import LicensePreset
from rawlabel.base.signals import run_until_stopped
from rawlabel.config import CollectConfig, NetworkSettings, PruneConfig
from rawlabel.errors import DataError
from rawlabel.manifests.prune.asking import Asked, ask
from rawlabel.records import Reason, Verdict

__all__ = ["Pruned", "prune"]


@dataclass
class Pruned:
    """What a prune came to; photos, not label events, are counted."""

    asked: Asked
    left_out: Counter[Reason] = field(default_factory=Counter)
    """Photos that were kept and are not any more, by the reason."""
    num_relicensed: int = 0
    """Photos that stay, with another license."""
    num_deleted: int = 0
    """Files deleted from the image store."""
    manifest: Manifest | None = None
    """The new manifest; None when nothing has changed, or in a dry run."""


def prune(config: PruneConfig, *, api_key: str | None = None) -> Pruned:
    """Ask the sites about the photos of the newest manifest, and leave out what may not be used any more.

    `api_key` overrides the key that a source reads from its environment variable. The same call goes on after an
    interruption. Raises `DataError` when there is no manifest or a site's answers are doubtful, `SourceError` when
    no site answers at all, and `DiskError`.
    """
    path = newest_manifest(config.project)
    if path is None:
        raise DataError(f"{config.project}: has no manifest; run `rawlabel curate` first")
    manifest = read_manifest(path)
    with Catalogue(catalogue_path(config.project)) as catalogue:
        wanted = _photos_of(manifest, every=config.all)
        asked = run_until_stopped(
            ask(_as_collecting(config, list(wanted)), config, catalogue, wanted, _preset(config), api_key)
        )
        pruned = Pruned(asked)
        answers = {source: catalogue.presence(source) | asked.answers.get(source, {}) for source in wanted}
        decisions, changed = _decide(manifest, answers, pruned)
        if config.dry_run:
            return pruned
        if changed:
            pruned.manifest = write_manifest(
                config.project,
                table_of(decisions),
                manifest.all_classes,
                config=config.as_json(),
                catalogue_fingerprint=catalogue.fingerprint(),
                parent=manifest.fingerprint,
                reviewed=manifest.reviewed,
            )
        pruned.num_deleted = _delete_taken_down(config.project, catalogue)
    return pruned


def _photos_of(manifest: Manifest, *, every: bool) -> dict[str, list[str]]:
    """Ids of the photos to ask about, by source, each once."""
    table = manifest.table
    mask = pc.is_valid(table["stored_sha256"]) if every else pc.equal(table["verdict"], Verdict.KEPT.value)
    photos: pa.Table = (
        table.filter(mask).select(["source", "photo_id"]).group_by(["source", "photo_id"]).aggregate([])
    )
    ids: dict[str, list[str]] = {}
    for row in photos.sort_by([("source", "ascending"), ("photo_id", "ascending")]).to_pylist():
        ids.setdefault(row["source"], []).append(row["photo_id"])
    return ids


def _decide(
    manifest: Manifest, answers: dict[str, dict[str, LastSeen]], pruned: Pruned
) -> tuple[list[Decision], bool]:
    """The decisions of the next manifest, and whether anything is new in them; counts into `pruned`."""
    decisions, changed = [], False
    counted: set[tuple[str, str]] = set()
    for before in decisions_of(manifest.table):
        after = decided_again(before, answers.get(before.source, {}).get(before.photo_id))
        decisions.append(after)
        changed = changed or after != before
        if after == before or not before.is_kept or before.photo in counted:
            continue
        counted.add(before.photo)
        if after.reason is not None:
            pruned.left_out[after.reason] += 1
        else:
            pruned.num_relicensed += 1
    return decisions, changed


def _delete_taken_down(project: Path, catalogue: Catalogue) -> int:
    """Delete the files whose every photo was taken down; return how many were still there."""
    photos = ProjectPhotos(project)
    return sum(photos.delete(photos.name(*one)) for one in catalogue.objects_taken_down())


def _preset(config: PruneConfig) -> LicensePreset:
    """The licenses asked for: by the setting, else as the collection was made."""
    if config.licenses is not None:
        return config.licenses
    path = config.project / "collect.json"
    if not path.is_file():
        return LicensePreset.ANY
    settings = read_json(path, "the settings of the collection")
    named = settings.get("licenses", "any") if isinstance(settings, dict) else None
    if named not in list(LicensePreset):
        raise DataError(f"{path}: names no known set of licenses; say which with --licenses")
    return LicensePreset(named)


def _as_collecting(config: PruneConfig, sources: list[str]) -> CollectConfig:
    shared = {name: getattr(config, name) for name in NetworkSettings.model_fields}
    return CollectConfig(project=config.project, source=tuple(sources), base_url=config.base_url, **shared)
