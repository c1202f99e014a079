"""Cross-entropy on the raw labels: the paper's method, and the baseline of all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Beta

from rawlabel.config.declaring import Section, setting
from rawlabel.models.method import Batch, Method, StepOutput


class CrossEntropyOptions(Section):
    """Options of cross-entropy."""

    loss: Literal["cross_entropy", "l2"] = setting(
        "cross_entropy", "cross_entropy, or l2: mean squared error of logits and one-hot labels; as --loss says."
    )
    label_smoothing: float = setting(
        0.0, "Share of each label spread evenly over all classes; 0.1 as published.", ge=0, lt=1
    )
    mixup: float = setting(
        0.0,
        "Parameter alpha of mixup; published: 0.2 to 0.4 for photos, 1 for small images; 0 mixes none.",
        ge=0,
    )


class CrossEntropy(Method[CrossEntropyOptions]):
    """Mean cross-entropy -log p(label) on the raw labels (arXiv 1910.09055, section 3).

    Published: ResNet-50 with the defaults of `rawlabel train`.

    With `label_smoothing` s the label is one-hot times (1 - s) plus s / classes (arXiv 1512.00567, section 7).
    With `mixup` the network sees w x_i + (1 - w) x_j and the loss is w CE(y_i) + (1 - w) CE(y_j), where j is drawn
    from the batch and w, one a step, from Beta(mixup, mixup) (Zhang et al., ICLR 2018, arXiv 1710.09412). Training
    accuracy, changed predictions and alignment then speak of mixed images with the label y_i.

    With `loss` l2 the cross-entropy is replaced by the mean over images and classes of (logit - label)², the
    labels one-hot or smoothed, as `--loss l2` of the published trainer.
    """

    Options = CrossEntropyOptions
    heeds_weights = True

    def __init__(
        self,
        build_network: Callable[[], nn.Module],
        num_samples: int,
        num_classes: int,
        options: CrossEntropyOptions,
    ) -> None:
        super().__init__(build_network, num_samples, num_classes, options)
        self.is_repeatable = not options.mixup

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean loss (cross-entropy in nats) and logits."""
        if not self.options.mixup:
            logits = self.predict(batch.images)
            return StepOutput(self._loss(logits, batch), logits)
        drawn = Beta(self.options.mixup, self.options.mixup).sample().item()
        # The same mixtures either way round; so each row shows, and is recorded as, mostly its own image.
        weight = max(drawn, 1 - drawn)
        order = torch.randperm(len(batch.labels)).to(batch.labels.device)
        logits = self.predict(weight * batch.images + (1 - weight) * batch.images_at(order))
        own, other = self._loss(logits, batch), self._loss(logits, batch.other_labels(order))
        return StepOutput(weight * own + (1 - weight) * other, logits)

    def _loss(self, logits: Tensor, batch: Batch) -> Tensor:
        smoothing = self.options.label_smoothing
        if self.options.loss == "cross_entropy":
            return batch.cross_entropy(logits, smoothing)
        target = F.one_hot(batch.labels, logits.shape[1]).float() * (1 - smoothing) + smoothing / logits.shape[1]
        if batch.weights is None:
            return F.mse_loss(logits.float(), target)
        return batch.mean((logits.float() - target).square().mean(dim=1))


PLUGIN = CrossEntropy
