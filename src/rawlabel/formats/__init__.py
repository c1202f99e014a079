"""Formats that a manifest's kept photos are exported to: one file each, named as the format.

To add one, write `<name>.py` with a class named by `PLUGIN` that has `export`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rawlabel import plugins
from rawlabel.config import ExportConfig
from rawlabel.errors import DataError
from rawlabel.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.project import export_path


class Format(Protocol):
    """What a format must offer."""

    def export(self, manifest: Manifest, out: Path) -> int:
        """Write the kept photos to `out`; return how many. Raises `DataError` and `DiskError`."""
        ...


def export(config: ExportConfig) -> tuple[Path, int]:
    """Export the project's newest manifest; return where to, and how many photos."""
    path = newest_manifest(config.project)
    if path is None:
        raise DataError(f"{config.project}: has no manifest; run `rawlabel curate` first")
    writer: Format = plugins.load(plugins.Family.FORMAT, config.format)()
    out = config.out or export_path(config.project)
    return out, writer.export(read_manifest(path), out)
