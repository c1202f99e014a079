"""The settings of `rawlabel pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Section, pixel_limit, setting


class PackConfig(Section):
    """Put images and labels of any format that `train` reads into one folder that opens at once: a pack.

    Killed at any moment, the same command goes on. Exit code 0: all images are in the pack; 1: some cannot be
    decoded, and are left out and listed in OUT/pack.json; 2: no pack was written.
    """

    source: Path | None = setting(
        None, "Class folders, a project, a manifest or a file with images and labels.", positional=True
    )
    out: Path | None = setting(None, "Folder to write.")
    part: Literal["train", "test"] = setting(
        "train", "What the images are for, and which part to take where the source holds both."
    )
    mode: Literal["auto", "copy", "jpeg", "raw"] = setting(
        "auto",
        "How images are kept: copy (the bytes as they are), jpeg (larger ones shrunk to --short and encoded "
        "anew), raw (squares of --size, decoded). auto takes copy for --part test, so that accuracy does not "
        "depend on the pack, else raw up to 64 pixels and jpeg above.",
    )
    image_size: int = setting(
        224, "Side at which networks will see the images, from which the others follow [pixels].", ge=8
    )
    short: int | None = setting(
        None,
        "Shorter side of --mode jpeg [pixels]; by default 256 for an --image-size of up to 176, else 1.43 times "
        "it (320 for 224).",
        ge=8,
    )
    quality: int = setting(92, "JPEG quality of --mode jpeg [1 to 100].", ge=1, le=100)
    size: int | None = setting(None, "Side of --mode raw [pixels]; by default --image-size.", ge=8)
    strict: bool = setting(
        False, "Stop at the first image that cannot be decoded; --part test always does, for a test set is whole."
    )
    label_column: str | None = setting(None, "Column of the labels, where the source is a table.")
    image_column: str | None = setting(None, "Column of the images, where the source is a table.")
    max_megapixels: float = pixel_limit()
    workers: int = setting(2, "Threads that decode and encode.", ge=1)
