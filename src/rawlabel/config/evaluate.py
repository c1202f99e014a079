"""The settings of `rawlabel evaluate`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Precision, Section, pixel_limit, setting


class EvaluateConfig(Section):
    """Open the test set once and measure a finished run on it."""

    run: Path | None = setting(None, "Run directory.", positional=True)
    test: Path | None = setting(
        None, "Folder of class folders with clean labels; by default the one that the run logged."
    )
    batch_size: int = setting(256, "Images in a step.", ge=1)
    precision: Precision = setting(
        "auto",
        "Arithmetic: bf16, fp32, or auto: what the run was trained in, where the machine has it. A head on a "
        "frozen encoder always computes in that of the features it was trained on.",
    )
    max_megapixels: float = pixel_limit()
    partial_test: bool = setting(
        False, "Measure also on a test set that lacks training classes, on the classes it has, which are named."
    )
    confidence: float = setting(0.95, "Confidence of the intervals [0 to 1].", gt=0, lt=1)
    truth: Path | None = setting(
        None,
        "Truth about the training photos, of a simulated photo site or as JSON {name: class}; with it, which "
        "labels were fitted first is measured, and a site's tells the share of right raw labels.",
    )
