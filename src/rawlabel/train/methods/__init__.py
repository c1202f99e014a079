"""Training methods: one file each, one training loop for all. To add one, write `<name>.py` with `PLUGIN`.

A method is a torch module that owns its network (or networks). Whatever it must remember between steps, such
as a target for each sample, it registers as a buffer: then checkpoints and resuming need no further code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from rawlabel.config import Section


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input."""

    images: Tensor
    """[batch, 3, height, width], normalised."""
    labels: Tensor
    """[batch] raw class indices."""
    sample_ids: Tensor
    """[batch] position of each sample in the training set, the same in every epoch."""


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a method makes of a batch: a loss to descend, and the logits that the training accuracy reads."""

    loss: Tensor
    logits: Tensor
    """[batch, classes]."""


class NoOptions(Section):
    """Options of a method that has none."""


OptionsType = TypeVar("OptionsType", bound=Section)


class Method(nn.Module, ABC, Generic[OptionsType]):
    """Base of all methods.

    `build_network` makes one freshly initialised network; call it once for each network that is needed.
    """

    Options: type[Section] = NoOptions
    """Class of the method's options, with the published values as defaults."""

    def __init__(
        self, build_network: Callable[[], nn.Module], num_samples: int, num_classes: int, options: OptionsType
    ) -> None:
        super().__init__()
        self.network = build_network()
        self.num_samples, self.num_classes, self.options = num_samples, num_classes, options

    def on_epoch_start(self, epoch: int) -> None:
        """Do what the method does between epochs; nothing by default."""

    @abstractmethod
    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of one batch."""

    def predict(self, images: Tensor) -> Tensor:
        """Logits [batch, classes] for images [batch, 3, height, width]."""
        logits = self.network(images)
        assert isinstance(logits, torch.Tensor)
        return logits
