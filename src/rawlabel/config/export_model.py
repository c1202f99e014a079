"""The settings of `rawlabel export-model`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class ExportModelConfig(Section):
    """Write the model of a finished run for other programs, and prove that it answers as the run does.

    At least 100 of the run's own images (all, where it has fewer) go through the written files, in batches of 1
    and 7, read by another program. Where a class or a probability differs, nothing is kept. Exit code 0: it is
    written and proven; 2: nothing is left.
    """

    run: Path | None = setting(None, "Run directory.", positional=True)
    format: str = setting(
        "safetensors",
        "Format to write: safetensors (one file, with classes and preprocessing inside), onnx, hub (a folder for "
        "timm and the Hugging Face hub, with a model card), torchscript; `rawlabel formats` lists them.",
    )
    out: Path | None = setting(None, "Folder to write; by default RUN/exports/FORMAT.")
    int8: bool = setting(
        False, "With --format onnx: 8-bit integers, with their accuracy on the run's held-out raw labels."
    )
