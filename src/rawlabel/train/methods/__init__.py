"""Training methods: one file each, one training loop for all. To add one, write `<name>.py` with `PLUGIN`.

A method is a torch module that owns its network (or networks). Whatever it must remember between steps, such
as a target for each sample or the epoch it is in, it registers as a buffer: then checkpoints and resuming need no
further code. What it draws at random comes from torch's default generator on the processor, whose state
checkpoints hold as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rawlabel.config import Section
from rawlabel.train.strong_augmentation import StrongAugmentation


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input."""

    images: Tensor
    """[batch, 3, height, width], normalised."""
    labels: Tensor
    """[batch] raw class indices."""
    sample_ids: Tensor
    """[batch] position of each sample in the training set, the same in every epoch."""
    strong_images: tuple[Tensor, ...] = ()
    """As many further views of the images as the method's `strong_augmentation` asks for."""


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
    is_repeatable: bool = True
    """Whether `forward` says the same of a batch when asked twice in a step: it draws and remembers nothing, and
    has no parameters besides the networks'. Optimizers that ask several times, such as L-BFGS, need this."""

    def __init__(
        self, build_network: Callable[[], nn.Module], num_samples: int, num_classes: int, options: OptionsType
    ) -> None:
        super().__init__()
        self.network = build_network()
        self.averaged: AveragedModel | None = None
        self.num_samples, self.num_classes, self.options = num_samples, num_classes, options

    @property
    def strong_augmentation(self) -> StrongAugmentation | None:
        """The strong views that the method needs; none by default."""
        return None

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer moves. A group with `is_scheduled` False keeps its own `lr`, under SGD; others follow
        the schedule.
        """
        return [{"params": [one for one in self.parameters() if one.requires_grad]}]

    def keep_average(self, decay: float) -> None:
        """Keep an exponential moving average of the network's weights, and predict with it."""
        move: Callable[..., None] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(self.network, multi_avg_fn=move, use_buffers=True).requires_grad_(False)

    def on_epoch_start(self, epoch: int) -> None:
        """Do what the method does between epochs; nothing by default."""

    def on_step_end(self) -> None:
        """Do what the method does after each step of the optimizer: move the average, if one is kept."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)

    @abstractmethod
    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of one batch.

        The network's first pass of a step begins with one view of each image in the batch's order: what the
        loop measures in passing takes it from there.
        """

    def predict(self, images: Tensor) -> Tensor:
        """Logits [batch, classes] for images [batch, 3, height, width]; outside training from the kept average."""
        network = self.network if self.training or self.averaged is None else self.averaged
        logits = network(images)
        assert isinstance(logits, torch.Tensor)
        return logits
