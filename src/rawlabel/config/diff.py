"""The settings of `rawlabel diff`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class DiffConfig(Section):
    """Compare two manifests: photos, decisions, splits, licenses and pixels.

    Exit code 0: they are equal; 1: they differ; 2: one of them cannot be read.
    """

    before: str | None = setting(
        None,
        "Manifest file or folder, project (its newest manifest), or first digits of a fingerprint.",
        positional=True,
    )
    after: str | None = setting(None, "The manifest to compare it with, named in the same ways.", positional=True)
    project: Path = setting(Path("project"), "Project in which fingerprints are looked up.")
    out: Path | None = setting(None, "File that gets every difference: .json, or else CSV.")
