"""The settings of `rawlabel review`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class ReviewConfig(Section):
    """Look at the photos of a collection on a local page, and say which to leave out; no label is edited."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    run: Path | None = setting(
        None,
        "Run directory whose evidence about labels (`rawlabel labels`) says which photos come first; by default "
        "the newest run of the project that has any.",
    )
    port: int = setting(0, "Port of this machine to listen on; 0 takes a free one.", ge=0, le=65535)
    open: bool = setting(False, "Open the page in the default browser.")
