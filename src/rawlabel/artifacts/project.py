"""Where things lie in a project folder; a project is one collection and all that was made of it."""

from __future__ import annotations

from pathlib import Path

from rawlabel.errors import DataError

NEWEST = "latest.json"
"""Names the newest manifest, beside the manifests' folders."""


def catalogue_path(project: Path) -> Path:
    """The catalogue, an SQLite file of facts that only grows; it may not exist yet."""
    return project / "catalogue.sqlite"


def images_path(project: Path) -> Path:
    """The photos' bytes, under names made from their content."""
    return project / "images"


def manifests_path(project: Path) -> Path:
    """The folder of the decisions, in which each curation has one of its own, named by its fingerprint."""
    return project / "manifests"


def is_project(path: Path) -> bool:
    """Whether a folder holds a collection, or manifests alone."""
    return catalogue_path(path).is_file() or (manifests_path(path) / NEWEST).is_file()


def refuse_run(project: Path) -> None:
    """Raise `DataError` where a run was named in place of its project."""
    if (project / "config.json").is_file() and not is_project(project):
        raise DataError(
            f"{project}: is a run and no project; name the project, with --run for this run; a run on folders of "
            "images has none: `rawlabel evaluate` and `rawlabel labels` tell of it"
        )


def runs_path(project: Path) -> Path:
    """The evidence, one folder a training run."""
    return project / "runs"


def export_path(project: Path, export_format: str = "class_folders") -> Path:
    """Where an export goes by default; class folders get the name that the published trainer expects."""
    return project / "candidate" if export_format == "class_folders" else project / "exports" / export_format


def downloads_path(root: Path) -> Path:
    """Where image sets that a library fetches go."""
    return root / "downloads"


def how_to_get(root: Path, name: str) -> str:
    """How the folder `name` of the published layout comes into being under `root`; empty for other names.

    The layout is that of the paper's configuration files: `candidate`, photos from searches; `train` and `test`,
    ImageNet's own; `test_copy`, the authors' copy of `test`. To be put behind the remedy of an error.
    """
    if name not in {"candidate", "train", "test", "test_copy"}:
        return ""
    classes, is_default = "metadata/tiny_classes_to_search.json", root == Path("project")
    project, positional = ("", "") if is_default else (f" --project {root}", f" {root}")
    copy = "; for test_copy say --test test" if name == "test_copy" else ""
    return (
        f"; in the published layout {root / 'candidate'} holds photos from searches (`rawlabel collect {classes} "
        f"--source flickr{project}`, then `rawlabel curate{positional}` and `rawlabel export{positional}`), "
        f"{root / 'train'} and {root / 'test'} those of ImageNet (`rawlabel prepare imagenet DOWNLOADS --out "
        f"{root} --classes {classes}`){copy}"
    )
