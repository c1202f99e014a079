"""Cross-entropy on the raw labels: the paper's method, and the baseline of all others."""

from __future__ import annotations

import torch.nn.functional as F

from rawlabel.train.methods import Batch, Method, StepOutput


class CrossEntropy(Method):
    """Mean cross-entropy -log p(label) on the raw labels (arXiv 1910.09055, section 3)."""

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean cross-entropy [nats] and logits."""
        logits = self.predict(batch.images)
        return StepOutput(F.cross_entropy(logits, batch.labels), logits)


PLUGIN = CrossEntropy
