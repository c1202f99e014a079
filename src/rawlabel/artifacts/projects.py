"""A project as an object: what lies in its folder, opened when it is asked for, and where its photos are from."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.project import catalogue_path, runs_path
from rawlabel.artifacts.run import Run
from rawlabel.base.checked import check_record
from rawlabel.base.files import read_json
from rawlabel.config import CollectConfig
from rawlabel.records import ClassSpec

SIMULATED = (
    "Simulated photos: they, their authors and their licenses come from a simulated photo site on this machine, "
    "so nothing here links to a real site."
)
"""What every page says that shows such photos."""


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


def collect_settings(project: Path) -> CollectConfig | None:
    """What a project was last collected with; None where nobody noted it. Raises `DataError` for damage."""
    path = project / "collect.json"
    if not path.is_file():
        return None
    return check_record(
        CollectConfig, read_json(path, "the settings of `rawlabel collect`"), path, "collect again"
    )


def is_simulated(collect: CollectConfig | None) -> bool:
    """Whether all photos were searched on addresses of this machine, where no photo site of the world is."""
    return collect is not None and bool(collect.base_url) and all(map(_is_loopback, collect.base_url))


def has_simulated_photos(manifest: Path | None) -> bool:
    """Whether the photos of a manifest in a project are simulated, so that no page on the web is about them.

    Raises `DataError` where the project's settings of `rawlabel collect` are damaged.
    """
    return manifest is not None and is_simulated(collect_settings(manifest.absolute().parent.parent.parent))


def _is_loopback(address: str) -> bool:
    try:
        host = (
            urlsplit(address.rpartition("=")[2] if "=" in address.partition("://")[0] else address).hostname or ""
        )
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
