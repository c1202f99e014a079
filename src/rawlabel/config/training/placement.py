"""Sections of training: placement."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from rawlabel.base import processes
from rawlabel.config.declaring import (
    DEVICE_HELP,
    Device,
    Engine,
    Precision,
    Role,
    Section,
    cluster_address,
    engine_of_tasks,
    setting,
)


class PlacementSettings(Section):
    """Where a run lies and computes, and where it begins."""

    outpath: Path | None = setting(
        None,
        "Run directory; by default ROOT/runs/ and a name made from the settings and the data.",
        role=Role.PLACE,
        common=True,
    )
    seed: int | None = setting(
        None, "Seed of everything random; drawn and recorded when not given.", ge=0, common=True
    )
    device: Device = setting("auto", DEVICE_HELP, role=Role.PLACE)
    gpu: int | None = setting(None, "Index of the GPU to compute on, counted from 0.", ge=0, role=Role.PLACE)
    precision: Precision = setting(
        "auto",
        "Arithmetic: bf16, fp32, or auto: of what the machine has, the faster one in a short trial, whose outcome "
        "is kept for this machine and network.",
    )
    compile: Literal["auto", "on", "off"] = setting(
        "auto",
        "Compile the network (torch.compile): always, never, or on a GPU where a timed trial finds it faster and "
        "the run is long enough to pay for it.",
    )
    cache: Literal["auto", "none", "memory", "device"] = setting(
        "auto",
        "Where images are kept: device, small ones on the GPU, which then cuts the views itself; memory, decoded; "
        "none, decoded in every epoch; auto takes the first of these that the images are right for and that has "
        "room. What comes out is the same.",
        role=Role.SPEED,
    )
    workers: int | None = setting(
        None,
        "Threads that decode and augment images, in each process; by default one less than the processor cores of "
        "the process, and one a core while nothing is trained, as when images are read before the first epoch.",
        ge=1,
        role=Role.SPEED,
    )
    engine: Engine = engine_of_tasks(
        "makes features and fingerprints, and compares these, before the training", Role.SPEED
    )
    ray_address: str | None = cluster_address(Role.SPEED)
    resume: str | None = setting(
        None,
        "Checkpoint to go on from: a run directory or its checkpoints/last.pt, weights of a run (.safetensors), "
        "or a published checkpoint (.pth.tar); one that is not there is an error, "
        "but said and left where a network, a published file or a recipe is named.",
        role=Role.START,
    )
    start_epoch: int = setting(
        0, "Epoch to start at, counted from 0; a checkpoint to go on from brings its own.", ge=0, role=Role.START
    )
    evaluate: bool = setting(
        False, "Measure the test accuracy of --resume, or of the run's selected epoch, and quit.", role=Role.PLACE
    )

    @property
    def loading_threads(self) -> int:
        """Threads that make batches in this process, beside the one that trains on them."""
        return self.workers or max(1, processes.own_cores() - 1)

    @property
    def reading_threads(self) -> int:
        """Threads that decode images in this process while it does nothing else."""
        return self.workers or processes.own_cores()

    @field_validator("resume", mode="before")
    @classmethod
    def _published_nothing(cls, value: Any) -> Any:
        """The published trainer's files say false, null or "" for nothing."""
        return None if value is False or value == "" else value
