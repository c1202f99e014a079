"""The settings of `rawlabel export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Engine, Section, cluster_address, engine_of_tasks, setting


class ExportConfig(Section):
    """Write the kept photos in a format that other tools read."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    format: str = setting("class_folders", "Format to write; `rawlabel formats` lists them with what each is for.")
    out: Path | None = setting(
        None, "Folder to write; by default PROJECT/candidate for class folders, else PROJECT/exports/FORMAT."
    )
    manifest: Path | None = setting(None, "Manifest to export; by default the project's newest.")
    metadata: Literal["auto", "strip", "keep"] = setting(
        "auto",
        "What becomes of EXIF, GPS, XMP and comments inside the photos: strip (the pixels stay the same), keep, "
        "or auto (strip, but keep in class folders, which are hard links to the stored photos).",
    )
    per_shard: int = setting(1000, "Photos in one file of webdataset and parquet.", ge=1)
    engine: Engine = engine_of_tasks("writes webdataset shards")
    ray_address: str | None = cluster_address()
    workers: int = setting(2, "Processes of a Ray of this machine's own.", ge=1)
    name: str | None = setting(None, "Name of the data set in cards; by default that of the project's folder.")
    creator: str | None = setting(None, "Person or organization that cards name as the data set's creator.")
    homepage: str | None = setting(None, "Web address at which the data set is described or handed out.")
    earlier: Path | None = setting(
        None,
        "Croissant card of the version before, from which the new version counts; by default the one in --out.",
    )
