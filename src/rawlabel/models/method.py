"""Training methods: one file each, one training loop for all. To add one, write `<name>.py` with `PLUGIN`.

A method is a torch module that owns its network (or networks). Whatever it must remember between steps, such
as a target for each sample or the epoch it is in, it registers as a buffer: then checkpoints and resuming need no
further code. What it draws at random comes from torch's default generator on the processor, whose state
checkpoints hold as well.

Several processes (`rawlabel.base.distributed`) need no further code either: each has a share of the images, and
`predict` and `logits_of` give the logits of the whole batch to all of them. From there on every process does the
same, with the same labels, sample ids and random numbers, so what the methods remember is the same everywhere.
Two things follow. Images go through a network by `predict` or `logits_of` alone, as whole sets of views of the
batch's images; and what a process has of the images is its share, so images of one batch are brought together by
`Batch.images_at` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rawlabel.base import distributed, families
from rawlabel.config import Section
from rawlabel.images.strong_augmentation import StrongAugmentation


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input."""

    images: Tensor
    """[share, 3, height, width], normalised; the share is the batch where there is one process."""
    labels: Tensor
    """[batch] raw class indices."""
    sample_ids: Tensor
    """[batch] position of each sample in the training set, the same in every epoch."""
    strong_images: tuple[Tensor, ...] = ()
    """As many further views of the images as the method's `strong_augmentation` asks for."""
    weights: Tensor | None = None
    """[batch] what each image counts, 1 in the mean over all images; None where all count the same."""

    def other_labels(self, order: Tensor) -> Batch:
        """The same images with the labels, and what these count, of those that `order` [batch] puts there."""
        weights = None if self.weights is None else self.weights[order]
        return replace(self, labels=self.labels[order], weights=weights)

    def mean(self, losses: Tensor) -> Tensor:
        """The mean of the images' `losses` [batch], each counting its weight."""
        return losses.mean() if self.weights is None else (losses * self.weights).mean()

    def cross_entropy(self, logits: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The mean cross-entropy [nats] of `logits` [batch, classes], each image counting its weight."""
        if self.weights is None:
            return F.cross_entropy(logits, self.labels, label_smoothing=label_smoothing)
        return self.mean(F.cross_entropy(logits, self.labels, label_smoothing=label_smoothing, reduction="none"))

    def images_at(self, order: Tensor, views: Tensor | None = None) -> Tensor:
        """For each image of the share, in its place, the image of the batch that `order` [batch] puts there.

        With `views` [views * share, ...], sets of views one behind the other, the same for them: `order` [views *
        batch] then counts through the sets of the whole batch. Several processes send each other their images.
        """
        size = len(self.labels)
        images = distributed.whole_batch(self.images if views is None else views, size)
        own = torch.cat([distributed.own(places) for places in torch.split(order, size)])
        return images[own.to(images.device)]


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
    heeds_weights: bool = False
    """Whether the loss goes by `Batch.weights`, as a loss that is a sum over images can (`Batch.mean`)."""
    is_repeatable: bool = True
    """Whether `forward` says the same of a batch when asked twice in a step: it draws and remembers nothing, and
    has no parameters besides the networks'. Optimizers that ask several times, such as L-BFGS, need this."""
    epoch: int = 0
    """Number of the epoch, from 0. The loop sets it, also where it goes on within one; a buffer would have to be
    fetched from the device in each step."""
    exchanges_bf16: bool = False
    """Whether several processes exchange their gradients rounded to bfloat16."""

    def __init__(
        self, build_network: Callable[[], nn.Module], num_samples: int, num_classes: int, options: OptionsType
    ) -> None:
        super().__init__()
        self.network = build_network()
        self.averaged: AveragedModel | None = None
        self.num_samples, self.num_classes, self.options = num_samples, num_classes, options
        self._batch_size = 0
        self._copies: dict[nn.Module, nn.Module] = {}
        self.register_forward_pre_hook(self._note_batch)

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

    def on_epoch_start(self) -> None:
        """Do what the method does between epochs, before `epoch` begins; nothing by default."""

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
        """Logits [batch, classes] for images [batch, 3, height, width]; outside training from the kept average.

        In training the images are those of the share, and the logits are those of the batch (see `logits_of`).
        """
        return self.logits_of(self.network if self.training else self.predicting_network, images)

    @property
    def predicting_network(self) -> nn.Module:
        """The network that `predict` uses outside training; the first where a method asks two."""
        return self.network if self.averaged is None else self.averaged

    @property
    def predicting_networks(self) -> tuple[nn.Module, ...]:
        """All networks whose mean logits `predict` gives outside training."""
        return (self.predicting_network,)

    def logits_of(self, network: nn.Module, images: Tensor) -> Tensor:
        """In training, from views of this process's share of the images, `network`'s logits for the whole batch.

        `images` [views * share, 3, height, width] may hold several views, one set behind the other; so do the
        logits [views * batch, classes]. Outside training, simply the logits for `images`.
        """
        if not self.training or distributed.count() == 1:
            logits = network(images)
        else:
            if network not in self._copies:
                self._copies[network] = distributed.spread(network, in_bf16=self.exchanges_bf16)
            logits = distributed.whole_batch(self._copies[network](images), self._batch_size)
        assert isinstance(logits, torch.Tensor)
        return logits

    @staticmethod
    def _note_batch(method: Method[Any], inputs: tuple[Batch]) -> None:
        method._batch_size = len(inputs[0].labels)


def heeds_weights(name: str) -> bool:
    """Whether the method of this name heeds `Batch.weights`. Raises `PluginError` where there is none."""
    method_type: type[Method[Any]] = families.load(families.Family.METHOD, name)
    return method_type.heeds_weights
