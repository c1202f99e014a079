"""Cross-entropy on the raw labels: the paper's method, and the baseline of all others."""

from __future__ import annotations

import torch.nn.functional as F

from rawlabel.config.declaring import Section, setting
from rawlabel.train.methods import Batch, Method, StepOutput


class CrossEntropyOptions(Section):
    """Options of cross-entropy."""

    label_smoothing: float = setting(0.0, "Share of each label spread evenly over all classes.", ge=0, lt=1)


class CrossEntropy(Method[CrossEntropyOptions]):
    """Mean cross-entropy -log p(label) on the raw labels (arXiv 1910.09055, section 3).

    With `label_smoothing` the label is one-hot times (1 - s) plus s / classes (arXiv 1512.00567, section 7).
    """

    Options = CrossEntropyOptions

    def forward(self, batch: Batch) -> StepOutput:
        """Return the batch's mean cross-entropy [nats] and logits."""
        logits = self.predict(batch.images)
        loss = F.cross_entropy(logits, batch.labels, label_smoothing=self.options.label_smoothing)
        return StepOutput(loss, logits)


PLUGIN = CrossEntropy
