"""Sparse over-parametrization: what the methods `sop` and `sop_plus` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rawlabel.config.declaring import Section, setting
from rawlabel.images.strong_augmentation import StrongAugmentation
from rawlabel.models.method import Batch, Method, StepOutput

_SMALLEST = 1e-4
_INITIAL_SPREAD = 1e-8


class SparseOverparametrizationOptions(Section):
    """Options of sparse over-parametrization."""

    lr_u: float = setting(
        10.0, "Learning rate of u; 1 as published for CIFAR-100, 0.1 with asymmetric noise in this form.", gt=0
    )
    lr_v: float = setting(
        10.0, "Learning rate of v; 10 as published for CIFAR-100, 100 with asymmetric noise.", gt=0
    )


class ConsistencyOptions(SparseOverparametrizationOptions):
    """Options of sparse over-parametrization with consistency and balance."""

    consistency: float = setting(0.9, "Weight of the divergence between two views; 0.9 as published.", ge=0)
    balance: float = setting(0.1, "Weight of the divergence from balanced classes; 0.1 as published.", ge=0)
    operations: int = setting(2, "Operations of RandAugment on the strong view.", ge=0)
    magnitude: float = setting(10.0, "Strength of each operation [0 to 30].", ge=0, le=30)


class SparseOverparametrization(Method[Any]):
    """Learn for each sample what of its label the network need not explain.

    With s = u² y and t = v² (1 - y), y one-hot, the loss is CE(normalize(p + s - t), y) + |h + s - t - y|², where
    p is the prediction and h its one-hot argmax; normalize raises values below 1e-4 to it and divides by the sum.
    The first term has no gradient in t, the second none in the network: so u learns from both, v from the second.
    This is the authors' released code (github.com/shengliu66/SOP, model/loss.py), which repetitions of their work
    run; the paper's algorithm, and another version of that code, move u by the first term alone.
    u (one a sample) and v (one a sample and class) start near 0 and have SGD without momentum at their own rates.
    """

    Options: type[Section] = SparseOverparametrizationOptions
    is_repeatable = False

    def __init__(
        self, build_network: Callable[[], nn.Module], num_samples: int, num_classes: int, options: Any
    ) -> None:
        super().__init__(build_network, num_samples, num_classes, options)
        self.u = nn.Parameter(torch.empty(num_samples, 1).normal_(0, _INITIAL_SPREAD))
        self.v = nn.Parameter(torch.empty(num_samples, num_classes).normal_(0, _INITIAL_SPREAD))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network's parameters under the schedule; u and v each at a constant rate."""
        own: dict[str, Any] = {"momentum": 0.0, "weight_decay": 0.0, "is_scheduled": False}
        return [
            {"params": list(self.network.parameters())},
            {"params": [self.u], "lr": self.options.lr_u, **own},
            {"params": [self.v], "lr": self.options.lr_v, **own},
        ]

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean loss and logits."""
        logits = self.predict(batch.images)
        return StepOutput(self.loss(logits, batch)[0], logits)

    def loss(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The batch's mean loss, and the normalized predictions [batch, classes]."""
        label = F.one_hot(batch.labels, self.num_classes).float()
        # Sparse gradients: without momentum and decay, only the batch's own rows move.
        u = F.embedding(batch.sample_ids, self.u, sparse=True)
        v = F.embedding(batch.sample_ids, self.v, sparse=True)
        s, t = (u**2 * label).clamp(0, 1), (v**2 * (1 - label)).clamp(0, 1)
        shifted = (logits.float().softmax(dim=1) + s - t.detach()).clamp(min=_SMALLEST)
        prediction = (shifted / shifted.sum(dim=1, keepdim=True)).clamp(_SMALLEST, 1)
        cross_entropy = -(label * prediction.log()).sum(dim=1).mean()
        hard = F.one_hot(logits.detach().argmax(dim=1), self.num_classes).float()
        squares = ((hard + s - t - label) ** 2).sum(dim=1).mean()
        return cross_entropy + squares, prediction


class ConsistentOverparametrization(SparseOverparametrization):
    """Sparse over-parametrization with a second view and balanced classes."""

    Options = ConsistencyOptions

    @property
    def strong_augmentation(self) -> StrongAugmentation:
        """One strong view of each image beside the plain one, as the consistency loss of SOP+ compares them."""
        return StrongAugmentation(1, self.options.operations, self.options.magnitude)

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean loss, and the logits of the plain view."""
        logits, strong = self.predict(torch.cat((batch.images, *batch.strong_images))).chunk(2)
        loss, prediction = self.loss(logits, batch)
        plain = logits.detach().float().softmax(dim=1)
        consistency = F.kl_div(strong.float().log_softmax(dim=1), plain, reduction="batchmean")
        balance = -prediction.mean(dim=0).clamp(_SMALLEST, 1).log().mean()
        return StepOutput(loss + self.options.consistency * consistency + self.options.balance * balance, logits)
