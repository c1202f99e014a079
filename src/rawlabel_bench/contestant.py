"""Training loops to compare: one file each. Each runs in a process of its own (`rawlabel_bench.process`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from rawlabel.models.device import choose_device
from rawlabel.models.networks.building import build_network
from rawlabel_bench.measuring import EpochClock
from rawlabel_bench.workload import Workload


class Contestant(ABC):
    """A training loop with its loader, ready to run probes; all begin with the same weights."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.device = choose_device(workload.device)
        self.num_steps = 0
        """Optimizer steps made so far."""

    @abstractmethod
    def loaded(self) -> Iterator[int]:
        """Make one pass over the training images as the loader gives them; yields the images of each batch."""

    def ready(self) -> Iterator[int]:
        """The same, with each batch normalized on the device; by default the loader does it already."""
        return self.loaded()

    @abstractmethod
    def steps(self, count: int) -> None:
        """Make `count` training steps on one fixed batch that lies on the device already."""

    @abstractmethod
    def epoch(self, clock: EpochClock) -> dict[str, float]:
        """Train and evaluate one epoch as the loop does; return its accuracies `train` and `test` [percent]."""

    def synchronize(self) -> None:
        """Wait until the device is idle, so that a clock read next counts all work; at once on a processor."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End threads and processes that still run; nothing to do for most."""

    def build_network(self) -> nn.Module:
        """The network of the case, initialized from the seed."""
        torch.manual_seed(self.workload.seed)
        case = self.workload.case
        return build_network(case.model, case.tree.num_classes).to(self.device)

    def build_optimizer(self, network: nn.Module) -> torch.optim.SGD:
        """The optimizer of the case, whose steps are counted."""
        workload = self.workload
        optimizer = torch.optim.SGD(
            network.parameters(),
            workload.case.lr,
            momentum=workload.momentum,
            weight_decay=workload.weight_decay,
        )
        optimizer.register_step_post_hook(self.count_step)
        return optimizer

    def count_step(self, *_: Any) -> None:
        """Count a step; the optimizer calls it, so that no loop can say that it made more than it did."""
        self.num_steps += 1

    def fixed_batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of pixels [batch, 3, size, size] (float32) and labels, on the device."""
        case = self.workload.case
        generator = torch.Generator().manual_seed(self.workload.seed)
        pixels = torch.randn(case.batch_size, 3, case.image_size, case.image_size, generator=generator)
        labels = torch.randint(case.tree.num_classes, (case.batch_size,), generator=generator)
        return pixels.to(self.device), labels.to(self.device)
