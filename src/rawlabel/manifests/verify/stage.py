"""The verb `verify`: what lies on the disk against what catalogue and manifest say, without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import newest_manifest
from rawlabel.artifacts.project import catalogue_path
from rawlabel.base.files import atomic_write, disk_errors
from rawlabel.config import VerifyConfig
from rawlabel.errors import DataError
from rawlabel.manifests.reading import find_manifest
from rawlabel.manifests.verify.findings import Finding, Kind
from rawlabel.manifests.verify.manifest import check_manifest
from rawlabel.manifests.verify.store import check_store

__all__ = ["Finding", "Kind", "forget", "verify"]


def verify(config: VerifyConfig) -> list[Finding]:
    """Return everything that is not as it should be; nothing is changed.

    Raises `DataError` when there is no catalogue, or not the manifest that is asked for, and `DiskError`.
    """
    with Catalogue(catalogue_path(config.project)) as catalogue:
        findings = list(
            chain(
                (Finding(Kind.CATALOGUE, catalogue.path, text) for text in catalogue.faults()),
                check_store(config, catalogue),
                _unfinished(config.project),
                _check_manifest(config, catalogue),
            )
        )
    if config.out is not None:
        with atomic_write(config.out) as stream:
            for one in findings:
                stream.write((json.dumps(one.as_json(), ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    return findings


def forget(config: VerifyConfig, findings: list[Finding]) -> int:
    """Remove damaged files and note their photos, and those of missing files, as not downloaded.

    Returns how many photos the next `collect` or `rebuild` asks for again. Raises `DiskError`.
    """
    lost = [one for one in findings if one.sha256 is not None and one.kind.is_mended_by_download]
    with Catalogue(catalogue_path(config.project)) as catalogue:
        for one in lost:
            with disk_errors(one.path):
                # What stands in the way of a fresh file; the store never writes over one that is there.
                if one.path.is_symlink() or one.path.is_file():
                    one.path.unlink()
                elif one.path.is_dir():
                    one.path.rmdir()
        return catalogue.forget(one.sha256 for one in lost if one.sha256 is not None)


def _unfinished(project: Path) -> Iterator[Finding]:
    """What a killed process was writing, anywhere but in the store and the exports."""
    for folder in (project, project / "manifests", project / "runs"):
        pattern = ".*.part" if folder == project else "**/.*.part"
        for path in sorted(folder.glob(pattern)):
            yield Finding(Kind.UNFINISHED, path, "left behind by a process that was killed; delete it")


def _check_manifest(config: VerifyConfig, catalogue: Catalogue) -> Iterator[Finding]:
    if config.manifest is not None:
        path = find_manifest(config.manifest, config.project)
        if not path.is_file():
            raise DataError(f"{path}: no such manifest; check --manifest")
    else:
        newest = newest_manifest(config.project)
        if newest is None:
            return
        path = newest
    yield from check_manifest(path, catalogue, ProjectPhotos(config.project))
