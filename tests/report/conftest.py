"""One project for all tests of the report; those that change files make a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rawlabel.artifacts.manifest import newest_manifest, read_manifest
from tests.helpers.report_project import make_project, write_run


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A curated project without a run; not to be changed."""
    project = tmp_path_factory.mktemp("report") / "vehicles"
    make_project(project)
    return project


@pytest.fixture
def project(collected: Path, tmp_path: Path) -> Path:
    """A copy of the project, without a run."""
    return Path(shutil.copytree(collected, tmp_path / "vehicles"))


@pytest.fixture
def manifest(project: Path):
    path = newest_manifest(project)
    assert path is not None
    return read_manifest(path)


@pytest.fixture
def run(project: Path, manifest) -> Path:
    """An evaluated run of the project."""
    return write_run(project, manifest)
