"""The settings of `rawlabel bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import DEVICE_HELP, Device, Section, setting


class BenchConfig(Section):
    """Measure training speed against other loops, on the same images, network, batch and optimizer.

    The contestants are a loop that behaves as PyTorch's ImageNet example, the published trainer's loop, timm's
    loader and settings, and rawlabel itself. Exit code 1 means that a loop was fast because it learned less.
    """

    preset: Literal["tiny", "cpu", "gpu"] = setting(
        "cpu", "How much to measure: tiny (whether all works), cpu (minutes), gpu (less than 8 minutes)."
    )
    cache: Path = setting(
        Path("bench-cache"), "Folder that gets the generated images, and is used again; about 200 MB for cpu."
    )
    out: Path | None = setting(None, "File to write the result to (JSON).")
    case: tuple[str, ...] = setting(
        (), "Case to measure; may be given several times; by default all of the preset."
    )
    contestant: tuple[str, ...] = setting(
        (), "Loop to measure, such as ours; may be given several times; by default all of each case."
    )
    repeats: int | None = setting(
        None, "Readings of each figure after the warm-up; by default the preset's.", ge=1
    )
    minutes: float | None = setting(
        None, "Time after which nothing more is begun [minutes]; by default the preset's.", gt=0
    )
    wait_for_quiet: float = setting(
        0.0,
        "Longest time to wait in all for other processes to use less than 10 % of a core, before "
        "readings [seconds].",
        ge=0,
    )
    images: int | None = setting(
        None, "Training images of each case, in whole batches; by default the preset's.", ge=1
    )
    photo_width: int = setting(500, "Width of the generated photos [pixels].", ge=32)
    photo_height: int = setting(375, "Height of the generated photos [pixels].", ge=32)
    model: str | None = setting(None, "Network of all cases, as of `rawlabel train`; by default the case's own.")
    batch_size: int | None = setting(None, "Images in a step; by default the case's own.", ge=2)
    threads: int | None = setting(
        None, "Threads of torch; by default as many as there are processors, and one for tiny.", ge=1
    )
    workers: int | None = setting(
        None, "Processes or threads of each contestant that load images; by default as many as --threads.", ge=1
    )
    device: Device = setting("auto", DEVICE_HELP)
    seed: int = setting(0, "Seed of the images, the weights and the order.", ge=0)
