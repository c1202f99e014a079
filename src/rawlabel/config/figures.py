"""The settings of `rawlabel figures`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Section, setting


class FiguresConfig(Section):
    """Draw Figures 2, 7, 5-a, 5-b and 8 of the paper from result folders in the published layout."""

    results: Path = setting(Path("results"), "Folder of result folders (flickr_cls100, ...).")
    metadata: Path | None = setting(None, "Folder of the class lists (idx2cls.json, ...).")
    out: Path = setting(Path("figures"), "Folder that gets the figures (PNG, PDF) and their numbers (CSV).")
    figure: tuple[Literal["2", "7", "5-a", "5-b", "8"], ...] = setting(
        (), "Draw only this figure of the paper; may be given several times; by default all, and the runs as well."
    )
    where: tuple[str, ...] = setting(
        (),
        "Draw only the runs, at any depth below --results, whose config.json has this setting, as KEY=VALUE such "
        "as model=resnet50; may be given several times.",
    )
    test_labels: Path | None = setting(
        None,
        "Labels of the test images (.npy, or `y_test` of an .npz), for files *_corr.json that name the right "
        "images by their positions.",
    )
