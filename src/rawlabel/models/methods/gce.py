"""Generalized cross-entropy: between cross-entropy and mean absolute error."""

from __future__ import annotations

from rawlabel.config.declaring import Section, setting
from rawlabel.models.method import Batch, Method, StepOutput


class GeneralizedCrossEntropyOptions(Section):
    """Options of generalized cross-entropy."""

    q: float = setting(0.7, "Near 0 it is cross-entropy, at 1 mean absolute error; 0.7 as published.", gt=0, le=1)


class GeneralizedCrossEntropy(Method[GeneralizedCrossEntropyOptions]):
    """GCE: (1 - p_label^q) / q, which trusts hard samples less than cross-entropy does.

    Zhang and Sabuncu, NeurIPS 2018, arXiv 1805.07836, equation 6; published: q = 0.7 and a
    rate of 0.01. Weak with many classes.
    """

    Options = GeneralizedCrossEntropyOptions
    heeds_weights = True

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean loss and logits."""
        logits = self.predict(batch.images)
        own = logits.float().log_softmax(dim=1).gather(1, batch.labels[:, None]).squeeze(1)
        loss = (1 - (self.options.q * own).exp()) / self.options.q
        return StepOutput(batch.mean(loss), logits)


PLUGIN = GeneralizedCrossEntropy
