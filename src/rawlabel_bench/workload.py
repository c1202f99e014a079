"""What is measured: a network, a tree of images and the settings that all contestants share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rawlabel.config import Device
from rawlabel_bench.measuring import Probe
from rawlabel_bench.trees import TreeSpec


@dataclass(frozen=True)
class Case:
    """One workload of the benchmark, and who takes part in it."""

    name: str
    title: str
    tree: TreeSpec
    model: str
    image_size: int
    """Side of what the network sees [pixels]."""
    batch_size: int
    contestants: tuple[str, ...]
    probes: tuple[Probe, ...]
    lr: float = 0.1
    steps: int = 10
    """Steps of one reading of the probe `step`."""
    gate_margin: float | None = None
    """How far a loop's test accuracy may lie below the best loop's [percentage points]; None where there are too
    few images to learn from: then the steps alone are judged."""

    @property
    def augment(self) -> Literal["crop_flip", "resized_crop"]:
        """The one training augmentation of all contestants, under the name that `rawlabel train` has for it."""
        return "crop_flip" if self.image_size <= 64 else "resized_crop"


@dataclass(frozen=True)
class Workload:
    """A case as a contestant gets it: where the images lie, and on how much of the machine it may run."""

    case: Case
    root: Path
    """Folder of `train` and `test`."""
    scratch: Path
    """Folder that is the contestant's own, for checkpoints and run directories."""
    epochs: int
    """Epochs that will be trained; the learning rate falls to a tenth for the last one."""
    threads: int
    """Threads of torch in the training process."""
    workers: int
    """Processes or threads that load images."""
    device: Device
    seed: int
    momentum: float = 0.9
    weight_decay: float = 1e-4

    @property
    def decay_epochs(self) -> int:
        """Epochs after which the learning rate is divided by ten."""
        return max(self.epochs - 1, 1)

    @property
    def margin(self) -> int:
        """Pixels by which crops of small images may shift."""
        return self.case.image_size // 8
