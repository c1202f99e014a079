"""The settings of `rawlabel experiment`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import DEVICE_HELP, Device, Section, setting


class ExperimentConfig(Section):
    """Train a grid of settings with several seeds, and write the table that answers its question.

    Killed at any moment, the same command goes on.
    """

    name: str | None = setting(None, "Experiment; `rawlabel methods` lists them.", positional=True)
    data: Path | None = setting(
        None, "Folder of its data; those on CIFAR-10N need train.parquet and test.parquet with its label columns."
    )
    out: Path = setting(Path("experiment"), "Folder for the runs and the table.")
    scale: Literal["tiny", "cpu", "gpu", "transfer"] = setting(
        "cpu",
        "How much to train: tiny shows that everything runs, cpu is small networks on few images (hours on two "
        "cores), gpu is the whole set with the published networks, transfer (cifar10n and raw_against_clean) "
        "is heads on kept features of the whole set.",
    )
    seeds: int | None = setting(
        None, "Seeds of each setting, from 0 up; by default as many as the scale has.", ge=1
    )
    finished: bool = setting(
        False, "Train nothing; make the table of the trials that are finished. With --scale transfer alone."
    )
    device: Device = setting("auto", DEVICE_HELP)
    jobs: int | None = setting(
        None, "Trials at a time, each in a process of its own; by default one a core, or one on a GPU.", ge=1
    )
    workers: int = setting(2, "Threads that decode and augment images.", ge=1)
