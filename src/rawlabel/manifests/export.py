"""Formats that a manifest's kept photos, or what is known of them, are exported to: one file each.

To add one, write `<name>.py` with a class named by `PLUGIN` that has `export`. Files whose name begins with an
underscore hold what several formats share.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rawlabel.artifacts.manifest import Manifest, newest_manifest, read_manifest
from rawlabel.artifacts.project import export_path
from rawlabel.base import families
from rawlabel.config import ExportConfig
from rawlabel.errors import ConfigError, DataError


class ExportFormat(Protocol):
    """What a format must offer."""

    def export(self, manifest: Manifest, out: Path, config: ExportConfig) -> int:
        """Write to the folder `out`; return how many photos lie there then, which for some formats is none.

        A format killed half-way leaves no half file under its final name, and goes on when it is called again.
        Raises `DataError` and `DiskError`.
        """
        ...


def export(config: ExportConfig) -> tuple[Path, int]:
    """Export a manifest, by default the project's newest; return where to, and how many photos are there.

    Raises `PluginError` for an unknown format, `DataError` for a manifest that is absent, malformed or unsafe,
    and `DiskError`.
    """
    # Here, since the checks need the class rules; the package itself is read to list the formats.
    from rawlabel.manifests.formats._photos import refuse_unsafe_rows

    writer: ExportFormat = families.load(families.Family.FORMAT, config.format)()
    if config.engine == "ray" and not getattr(writer, "has_shards", False):
        raise ConfigError(f"--engine ray: writes webdataset shards; --format {config.format} is written here")
    path = config.manifest or newest_manifest(config.project)
    if path is None:
        raise DataError(f"{config.project}: has no manifest; run `rawlabel curate` first")
    manifest = read_manifest(path)
    refuse_unsafe_rows(manifest)
    out = config.out or export_path(config.project, config.format)
    return out, writer.export(manifest, out, config)
