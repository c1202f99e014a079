"""Where things lie in a project folder; a project is one collection and all that was made of it."""

from __future__ import annotations

from pathlib import Path


def catalogue_path(project: Path) -> Path:
    """The facts."""
    return project / "catalogue.sqlite"


def images_path(project: Path) -> Path:
    """The photos' bytes, under names made from their content."""
    return project / "images"


def manifests_path(project: Path) -> Path:
    """The decisions, one folder a curation."""
    return project / "manifests"


def runs_path(project: Path) -> Path:
    """The evidence, one folder a training run."""
    return project / "runs"


def export_path(project: Path, export_format: str = "class_folders") -> Path:
    """Where an export goes by default; class folders get the name that the published trainer expects."""
    return project / "candidate" if export_format == "class_folders" else project / "exports" / export_format


def downloads_path(root: Path) -> Path:
    """Where image sets that a library fetches go."""
    return root / "downloads"
