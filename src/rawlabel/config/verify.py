"""The settings of `rawlabel verify`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, pixel_limit, setting


class VerifyConfig(Section):
    """Check, without a network, that a project's files are what its catalogue and manifest say.

    Exit code 0: all is well; 1: something is not, and the findings name it; 2: there is nothing to check.
    """

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    manifest: str | None = setting(
        None, "Manifest to check: a file or the first digits of a fingerprint; by default the newest one."
    )
    decode: bool = setting(True, "Decode each photo too and compare its pixels; without, only bytes are compared.")
    forget: bool = setting(
        False,
        "Remove damaged files and note their photos, and those whose files are missing, as not downloaded, so "
        "that `rawlabel collect` or `rawlabel rebuild` asks for them again.",
    )
    max_megapixels: float = pixel_limit()
    workers: int = setting(2, "Threads that read and decode photos.", ge=1)
    out: Path | None = setting(None, "File that gets every finding (JSON lines).")
