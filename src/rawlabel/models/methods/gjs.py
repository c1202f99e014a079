"""Generalized Jensen-Shannon divergence: agree with the label and with yourself on another view."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from rawlabel.base import distributed
from rawlabel.config.declaring import Section, setting
from rawlabel.errors import ConfigError
from rawlabel.images.strong_augmentation import StrongAugmentation
from rawlabel.models.method import Batch, Method, StepOutput

_SMALLEST = 1e-7
"""Probabilities are raised to this before a logarithm, as in the authors' code."""


class GeneralizedJensenShannonOptions(Section):
    """Options of the generalized Jensen-Shannon divergence."""

    label_weight: float = setting(
        0.5, "Weight of the label beside the views; 0.9 and 0.5 as published for CIFAR-10 and 100.", gt=0, lt=1
    )
    passes: int = setting(
        1,
        "Passes through the network: both views in one, or each in its own (2), as in the authors' settings.",
        ge=1,
        le=2,
    )
    operations: int = setting(1, "Operations of RandAugment on each view; 1 as published for CIFAR.", ge=0)
    magnitude: float = setting(3.0, "Strength of each operation [0 to 30]; 3 as published for CIFAR.", ge=0, le=30)


class GeneralizedJensenShannon(Method[GeneralizedJensenShannonOptions]):
    """GJS: the Jensen-Shannon divergence of the label and the predictions for two strong views of the image.

    With weights w = (w_1, (1 - w_1) / 2, (1 - w_1) / 2) and m = sum_k w_k p_k over the one-hot label p_1 and the
    predictions p_2, p_3, the loss is sum_k w_k KL(p_k || m) / (-(1 - w_1) log(1 - w_1)). Englesson and Azizpour,
    NeurIPS 2021, arXiv 2105.04522. Published: RandAugment(1, 3) and cutout on both views, `label_weight` 0.9 for
    CIFAR-10 and 0.5 for CIFAR-100 at 40 % symmetric noise, `--model preact_resnet32 --num-planes 32` at a rate of
    0.1 (CIFAR-100: 0.2) that falls at epochs 200 and 300 of 400 (`--decay-at 200 --decay-at 300`), Nesterov's
    momentum, weight decay 5e-4 (5e-5).

    Both views go through the network in one pass, so that batch norm sees what they have in common. The authors'
    code (github.com/ErikEnglesson/GJS) does so with its flag `onebatch`, which its settings for CIFAR do not give:
    there each view has a pass and statistics of its own, as with `passes=2`. That is for one process.
    """

    Options = GeneralizedJensenShannonOptions

    @property
    def strong_augmentation(self) -> StrongAugmentation:
        """Two strong views; the plain one is not used."""
        return StrongAugmentation(2, self.options.operations, self.options.magnitude)

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean loss, and the logits of the first view."""
        logits = self._both(batch.strong_images)
        first, second = logits.float().softmax(dim=1).chunk(2)
        label = F.one_hot(batch.labels, self.num_classes).to(first.dtype)
        weight = self.options.label_weight
        parts = ((weight, label), ((1 - weight) / 2, first), ((1 - weight) / 2, second))
        middle = sum((share * part for share, part in parts), torch.zeros_like(label))
        loss = sum((share * _divergence(part, middle) for share, part in parts), torch.zeros(len(label)).to(label))
        scale = -(1 - weight) * math.log(1 - weight)
        return StepOutput(loss.mean() / scale, logits[: len(label)])

    def _both(self, views: tuple[Tensor, ...]) -> Tensor:
        """Logits [2 * batch, classes] of the two views, one behind the other."""
        if self.options.passes == 1:
            return self.predict(torch.cat(views))
        if distributed.count() > 1:
            raise ConfigError("--method-option passes=2: is for one process; use passes=1, or no torchrun")
        return torch.cat([self.predict(one) for one in views])


def _divergence(one: Tensor, other: Tensor) -> Tensor:
    """KL(one || other) of each row, with 0 log 0 = 0."""
    logarithms = one.clamp(min=_SMALLEST).log() - other.clamp(min=_SMALLEST).log()
    return (one * logarithms).sum(dim=1)


PLUGIN = GeneralizedJensenShannon
