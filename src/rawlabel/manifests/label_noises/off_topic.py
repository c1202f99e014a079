"""Off-topic noise: photos that show none of the classes."""

from __future__ import annotations

import numpy as np

from rawlabel.errors import DataError
from rawlabel.manifests.label_noise import Evidence, LabelNoise, Labels, NoisyLabels, NoOptions
from rawlabel.manifests.label_noises._exact import apportion, replaced, shuffled


class OffTopic(LabelNoise[NoOptions]):
    """A share of each class's photos is replaced by photos of a second set that show none of the classes.

    What a search returns for a keyword with another meaning, or by mistake: the open-set noise of Wang et al.,
    CVPR 2018, arXiv 1804.00092. No photo of the second set is taken twice; labels and class sizes stay.
    """

    is_replacing = True

    def apply(self, labels: Labels, num_classes: int, rng: np.random.Generator, evidence: Evidence) -> NoisyLabels:
        """Put photos of none of the classes in the place of a share of each class's.

        Raises `DataError` without a second set, or where it has too few.
        """
        if evidence.second_labels is None:
            raise DataError("off-topic noise: needs photos of a second set; use `rawlabel noise --second`")
        strangers = np.flatnonzero(evidence.second_labels < 0)
        counts = apportion(self.rate, np.bincount(labels, minlength=num_classes).tolist())
        if sum(counts) > len(strangers):
            raise DataError(
                f"the second set has {len(strangers)} photos of no class, of {sum(counts)} needed; lower the rate"
            )
        replaced_by = np.full(len(labels), -1)
        left = shuffled(strangers, rng)
        for one, count in enumerate(counts):
            replaced_by[shuffled(np.flatnonzero(labels == one), rng)[:count]] = left[:count]
            left = left[count:]
        text = f"{self.rate:.4g} of the photos, class by class, were replaced by photos of none of the classes"
        return replaced(labels, replaced_by, num_classes, text)


PLUGIN = OffTopic
