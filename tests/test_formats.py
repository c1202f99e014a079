"""Exports: what other tools find on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from rawlabel.config import CurateConfig, ExportConfig
from rawlabel.curate import curate
from rawlabel.errors import DataError
from rawlabel.formats import export
from tests.curate.test_curate import make_project


def test_class_folders_hold_the_kept_photos_by_hard_link(tmp_path: Path) -> None:
    project = make_project(tmp_path / "birds")
    manifest = curate(CurateConfig(project=project))
    out, count = export(ExportConfig(project=project))
    assert out == project / "candidate"
    assert count == manifest.kept().num_rows == len(list(out.glob("*/*.jpg")))
    from torchvision.datasets import ImageFolder

    assert ImageFolder(str(out)).classes == ["owl", "robin"]
    origins = {(project / path).stat().st_ino for path in manifest.kept()["path"].to_pylist()}
    assert {path.stat().st_ino for path in out.glob("*/*.jpg")} == origins


def test_a_new_curation_replaces_the_export_but_nothing_else(tmp_path: Path) -> None:
    project = make_project(tmp_path / "birds")
    curate(CurateConfig(project=project))
    out, before = export(ExportConfig(project=project))
    stale = out / "owl" / "stale.jpg"
    curate(CurateConfig(project=project, seed=5))
    stale.write_bytes(b"")
    assert export(ExportConfig(project=project)) == (out, before)
    assert not stale.exists()
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="exists and is not an export"):
        export(ExportConfig(project=project, out=tmp_path / "mine"))


def test_a_project_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `rawlabel curate` first"):
        export(ExportConfig(project=tmp_path))
