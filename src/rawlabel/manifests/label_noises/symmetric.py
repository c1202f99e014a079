"""Symmetric noise: any other class is as likely."""

from __future__ import annotations

import numpy as np

from rawlabel.errors import DataError
from rawlabel.manifests.label_noise import Evidence, LabelNoise, Labels, NoisyLabels, NoOptions
from rawlabel.manifests.label_noises._exact import flip, relabeled


class Symmetric(LabelNoise[NoOptions]):
    """A share of each class's labels becomes one of the other classes, each other class as often, up to one.

    The rate is the share of labels that are wrong afterwards, exactly. The published trainer (Yilmaz and Heckel,
    arXiv 1910.09055) means the same and rounds down for each pair of classes; code that draws the new label among
    all classes, the own one included, makes fewer labels wrong than its rate says.
    """

    def apply(self, labels: Labels, num_classes: int, rng: np.random.Generator, evidence: Evidence) -> NoisyLabels:
        """Flip labels [n] to one of the other classes, all equally likely, class by class exactly.

        Raises `DataError` for a single class.
        """
        if num_classes < 2:
            raise DataError("symmetric noise: there is one class, and no other to flip to; give at least two")
        targets = [[other for other in range(num_classes) if other != one] for one in range(num_classes)]
        text = f"{self.rate:.4g} of the labels, class by class, became one of the other classes"
        return relabeled(labels, flip(labels, targets, self.rate, rng), num_classes, text)


PLUGIN = Symmetric
