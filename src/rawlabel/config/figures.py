"""The settings of `rawlabel figures`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class FiguresConfig(Section):
    """Draw Figures 2, 7, 5-a, 5-b and 8 of the paper from result folders in the published layout."""

    results: Path = setting(Path("results"), "Folder of result folders (flickr_cls100, ...).")
    metadata: Path | None = setting(None, "Folder of the class lists (idx2cls.json, ...).")
    out: Path = setting(Path("figures"), "Folder that gets the figures (PNG, PDF) and their numbers (CSV).")
