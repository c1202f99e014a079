"""The settings of `rawlabel prune`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.base.licenses import LicensePreset
from rawlabel.config.declaring import setting
from rawlabel.config.network import NetworkSettings


class PruneConfig(NetworkSettings):
    """Ask the photo sites again, and leave out what was taken down or may no longer be used."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    base_url: tuple[str, ...] = setting(
        (),
        "Address of a source's API, for a mirror or a simulated site: ADDRESS for all sources, or SOURCE=ADDRESS; "
        "the sites' own by default.",
    )
    licenses: LicensePreset | None = setting(
        None,
        "Licenses that a changed one must be among: any, open, commercial, derivatives or free; by default those "
        "that the collection was made with.",
        common=True,
    )
    all: bool = setting(
        False, "Ask about the rejected photos whose files are stored too, not only the kept ones.", common=True
    )
    max_age: float = setting(
        24.0,
        "Answers of an earlier or stopped run count while they are younger than this [hours].",
        ge=0,
        common=True,
    )
    most_gone: float = setting(
        0.5,
        "Share of a site's photos that may be gone [0 to 1]; when it says that more are, nothing is changed.",
        ge=0,
        le=1,
    )
    dry_run: bool = setting(False, "Ask and count, but record, write and delete nothing.", common=True)
