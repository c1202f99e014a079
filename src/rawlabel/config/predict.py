"""The settings of `rawlabel predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Precision, Section, pixel_limit, setting


class PredictConfig(Section):
    """Classify images with a finished run, or with a model that `export-model` wrote as safetensors.

    A line an image and class: path, class and probability, separated by tabs; tabs and line breaks in a path are
    written as \\t, \\n and \\r. Of --format csv the same with a head and the rank, of jsonl an object an image.
    Exit code 0: all images are classified; 1: some cannot be read or decoded, and are named with what to do; 2:
    nothing was classified.
    """

    run: Path | None = setting(None, "Run directory, or an exported model.", positional=True)
    images: tuple[str, ...] = setting(
        (), "Images or folders; `-` reads paths from the standard input, one a line.", positional=True
    )
    top: int = setting(1, "Classes to print for each image.", ge=1)
    format: Literal["tsv", "csv", "jsonl"] = setting("tsv", "How lines are written.")
    batch_size: int = setting(64, "Images in a step.", ge=1)
    precision: Precision = setting(
        "auto",
        "Arithmetic: bf16, fp32, or auto, the faster one in a short trial on this machine. A head on a frozen "
        "encoder always computes in that of the features it was trained on.",
    )
    none_of_these: bool = setting(
        False,
        "Print `none of these` for an image that is unlike every class, by limits that most training photos "
        "keep, with the probability of the likeliest class; for runs on an encoder (--recipe transfer, finetune).",
    )
    max_megapixels: float = pixel_limit()
