"""Co-teaching: two networks, and each learns from what the other finds easy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from rawlabel.config.declaring import Section, setting
from rawlabel.models.method import Batch, Method, StepOutput


class CoteachingOptions(Section):
    """Options of co-teaching."""

    forget_rate: float = setting(
        0.2, "Share of each batch left out in the end, tau; published: the share of wrong labels.", ge=0, lt=1
    )
    gradual_epochs: int = setting(10, "Epochs until the whole share is left out, T_k; 10 as published.", ge=1)
    exponent: float = setting(1.0, "Exponent c of the way there; 1 as published.", gt=0)
    schedule: Literal["paper", "released"] = setting(
        "paper", "The way there: as the paper's algorithm has it, or as the authors' released code does."
    )


class Coteaching(Method[CoteachingOptions]):
    """Co-teaching: each of two networks descends its cross-entropy on the other's small-loss part of the batch.

    In epoch T, counted from 0, the part is the share R(T) = 1 - tau min(T^c / T_k, 1) of the batch. Han et al.,
    NeurIPS 2018, arXiv 1804.06872, algorithm 1. Published: tau as the noise rate, which must be known or guessed;
    Adam at 0.001 with a linear decay from epoch 80 of 200. The loss is the sum of both networks', the first
    network predicts.

    The released code (github.com/bhanML/Co-teaching) does otherwise, and so does `schedule=released`: what is left
    out goes in T_k - 1 even steps from 0 to tau^c, and is tau from then on. Its first epoch only measures the
    fresh networks, so training begins with the second value: R(T) = 1 - tau^c (T + 1) / (T_k - 1) for T + 1 < T_k,
    else 1 - tau. With c = 1 it leaves out the whole share two epochs earlier than the paper.
    """

    Options = CoteachingOptions

    def __init__(
        self,
        build_network: Callable[[], nn.Module],
        num_samples: int,
        num_classes: int,
        options: CoteachingOptions,
    ) -> None:
        super().__init__(build_network, num_samples, num_classes, options)
        self.peer = build_network()

    def forward(self, batch: Batch) -> StepOutput:
        """Return the sum of both networks' losses, and the first network's logits."""
        both = self.predict(batch.images), self.logits_of(self.peer, batch.images)
        easy = [self._easy(logits, batch.labels) for logits in both]
        losses = [
            F.cross_entropy(logits[chosen], batch.labels[chosen])
            for logits, chosen in zip(both, reversed(easy), strict=True)
        ]
        return StepOutput(losses[0] + losses[1], both[0])

    def _easy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Positions of the samples with the smallest losses."""
        options = self.options
        count = max(int((1 - forgotten(self.epoch, options)) * len(labels)), 1)
        losses = F.cross_entropy(logits.detach().float(), labels, reduction="none")
        return losses.argsort(stable=True)[:count]


def forgotten(epoch: int, options: CoteachingOptions) -> float:
    """Share of a batch that is left out in `epoch`, counted from 0."""
    tau, exponent, gradual = options.forget_rate, options.exponent, options.gradual_epochs
    if options.schedule == "paper":
        return float(tau * min(epoch**exponent / gradual, 1.0))
    return float(tau**exponent * (epoch + 1) / (gradual - 1) if epoch + 1 < gradual else tau)


PLUGIN = Coteaching
