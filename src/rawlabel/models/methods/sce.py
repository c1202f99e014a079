"""Symmetric cross-entropy: cross-entropy and its reverse."""

from __future__ import annotations

import math

from rawlabel.config.declaring import Section, setting
from rawlabel.models.method import Batch, Method, StepOutput

_LOG_ZERO = math.log(1e-4)
"""What stands for log 0 in the reverse term."""


class SymmetricCrossEntropyOptions(Section):
    """Options of symmetric cross-entropy."""

    alpha: float = setting(0.1, "Weight of cross-entropy; 0.1 as published for ten classes.", ge=0)
    beta: float = setting(1.0, "Weight of reverse cross-entropy; 1 as published.", ge=0)


class SymmetricCrossEntropy(Method[SymmetricCrossEntropyOptions]):
    """SCE: alpha CE + beta RCE, where RCE = - sum_c p_c log y_c swaps prediction and label.

    Wang et al., ICCV 2019, arXiv 1908.06112, equations 6 and 7; log 0 is set to log 1e-4, as in the
    authors' code. Published: alpha 0.1 and beta 1 for CIFAR-10, alpha 6 for CIFAR-100.
    """

    Options = SymmetricCrossEntropyOptions
    heeds_weights = True

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean loss and logits."""
        logits = self.predict(batch.images)
        own = logits.float().softmax(dim=1).gather(1, batch.labels[:, None]).squeeze(1)
        # One-hot labels leave only the other classes' probability in the reverse term.
        reverse = -_LOG_ZERO * batch.mean(1 - own)
        forward = batch.cross_entropy(logits)
        return StepOutput(self.options.alpha * forward + self.options.beta * reverse, logits)


PLUGIN = SymmetricCrossEntropy
