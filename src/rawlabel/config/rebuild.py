"""The settings of `rawlabel rebuild`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import setting
from rawlabel.config.network import DownloadSettings


class RebuildConfig(DownloadSettings):
    """Re-create a data set from its manifest, and say of each photo whether it is still the same."""

    manifest: Path | None = setting(None, "Manifest file, or the folder that holds it.", positional=True)
    project: Path = setting(
        Path("rebuilt"), "New folder that gets the catalogue, the photos and a manifest.", common=True
    )
    all: bool = setting(False, "Download the rejected photos too, not only the kept ones.", common=True)
