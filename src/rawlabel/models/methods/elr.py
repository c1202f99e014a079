"""Early-learning regularization: hold on to what the network predicted before it memorised."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rawlabel.config.declaring import Section, setting
from rawlabel.models.method import Batch, Method, StepOutput

_CLAMP = 1e-4


class EarlyLearningRegularizationOptions(Section):
    """Options of early-learning regularization."""

    beta: float = setting(0.7, "Memory of the moving targets; 0.7 as published for CIFAR-10.", ge=0, lt=1)
    strength: float = setting(3.0, "Weight lambda of the regularizer; 3 as published for CIFAR-10.", ge=0)


class EarlyLearningRegularization(Method[EarlyLearningRegularizationOptions]):
    """ELR: cross-entropy + lambda mean log(1 - <t_i, p_i>), with a moving target t_i for each sample.

    t_i <- beta t_i + (1 - beta) p_i / sum(p_i), with p_i clamped to [1e-4, 1 - 1e-4] and without gradient.
    Liu et al., NeurIPS 2020, arXiv 2007.00151, equations 6 and 9. Published: ResNet-34 at a rate of 0.02 with
    cosine restarts every 10 epochs that end at 1e-3 (`--lr-schedule cosine_restarts --min-lr 0.001`), weight decay
    1e-3, 120 epochs for CIFAR-10; for CIFAR-100 beta 0.9, strength 7 and 150 epochs. The targets are a buffer, so
    that checkpoints hold them.
    """

    Options = EarlyLearningRegularizationOptions
    is_repeatable = False
    heeds_weights = True
    targets: Tensor

    def __init__(
        self,
        build_network: Callable[[], nn.Module],
        num_samples: int,
        num_classes: int,
        options: EarlyLearningRegularizationOptions,
    ) -> None:
        super().__init__(build_network, num_samples, num_classes, options)
        self.register_buffer("targets", torch.zeros(num_samples, num_classes))

    def forward(self, batch: Batch) -> StepOutput:
        """Move the batch's targets, and return its mean loss and logits."""
        logits = self.predict(batch.images)
        probability = logits.float().softmax(dim=1).clamp(_CLAMP, 1 - _CLAMP)
        fixed = probability.detach()
        moved = self.options.beta * self.targets[batch.sample_ids]
        moved = moved + (1 - self.options.beta) * fixed / fixed.sum(dim=1, keepdim=True)
        self.targets[batch.sample_ids] = moved
        regularizer = (1 - (moved * probability).sum(dim=1)).log().mean()
        return StepOutput(batch.cross_entropy(logits) + self.options.strength * regularizer, logits)


PLUGIN = EarlyLearningRegularization
