"""The settings of `rawlabel compare`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class CompareConfig(Section):
    """Compare evaluated runs photo by photo: who is better, in which classes, on which photos, and what differs.

    The first run is the one that the others are compared with, class by class; every pair is tested.
    """

    runs: tuple[Path, ...] = setting((), "Evaluated run directories, two or more.", positional=True)
    out: Path = setting(Path("compare.html"), "Page to write; its numbers go beside it as .json.")
