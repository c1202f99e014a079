"""A project as an object: what lies in its folder, opened when it is asked for."""

from __future__ import annotations

from pathlib import Path

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.project import catalogue_path, runs_path
from rawlabel.artifacts.run import Run
from rawlabel.records import ClassSpec


class Project:
    """One collection and all that was made of it, in one folder, which need not exist yet."""

    def __init__(self, path: Path | str = "project") -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"Project({str(self.path)!r})"

    def classes(self) -> list[ClassSpec]:
        """The classes that were asked for, in their order. Raises `DataError` where nothing was collected."""
        with Catalogue(catalogue_path(self.path)) as catalogue:
            return catalogue.classes()

    def counts(self) -> dict[str, int]:
        """What is in the catalogue [photos, label events]: found, fetched, pending, and not fetched by reason.

        Raises `DataError` where nothing was collected.
        """
        with Catalogue(catalogue_path(self.path)) as catalogue:
            return catalogue.counts()

    def manifest(self) -> Manifest | None:
        """The newest manifest; None where nothing was curated. Raises `DataError` for a damaged one."""
        path = newest_manifest(self.path)
        return None if path is None else read_manifest(path)

    def runs(self) -> list[Run]:
        """The training runs in the project's own folder of runs, by name, finished or not."""
        return [Run(one.parent) for one in sorted(runs_path(self.path).glob("*/config.json"))]
