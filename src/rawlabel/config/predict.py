"""The settings of `rawlabel predict`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class PredictConfig(Section):
    """Classify images with a finished run."""

    run: Path | None = setting(None, "Run directory.", positional=True)
    images: tuple[str, ...] = setting(
        (), "Images or folders; `-` reads paths from the standard input, one a line.", positional=True
    )
    top: int = setting(1, "Classes to print for each image.", ge=1)
    batch_size: int = setting(64, "Images in a step.", ge=1)
