"""Mixing: a share of each class comes from a second set."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from rawlabel.errors import DataError
from rawlabel.manifests.label_noise import Evidence, LabelNoise, Labels, NoisyLabels, NoOptions
from rawlabel.manifests.label_noises._exact import replaced, shuffled


class Mix(LabelNoise[NoOptions]):
    """A share of each class's photos is replaced by random photos of the same class from a second set.

    The `mix_rate` of the published trainer (Yilmaz and Heckel, arXiv 1910.09055): of n photos of a class the floor
    of rate times n is replaced, by photos of which none is taken twice. Labels and class sizes stay; how wrong the
    labels are afterwards is the second set's affair.
    """

    is_replacing = True

    def apply(self, labels: Labels, num_classes: int, rng: np.random.Generator, evidence: Evidence) -> NoisyLabels:
        """Replace photos by those of the second set."""
        if evidence.second_labels is None:
            raise DataError("mixing: needs photos of a second set; name one")
        replaced_by = np.full(len(labels), -1)
        for one in range(num_classes):
            mine = np.flatnonzero(labels == one)
            count = math.floor(Fraction(repr(self.rate)) * len(mine))
            offered = np.flatnonzero(evidence.second_labels == one)
            if count > len(offered):
                name = evidence.class_ids[one] if evidence.class_ids else str(one)
                raise DataError(
                    f"the second set has {len(offered)} new photos of class '{name}' of {count} needed; "
                    "lower the rate"
                )
            replaced_by[shuffled(mine, rng)[:count]] = shuffled(offered, rng)[:count]
        text = f"{self.rate:.4g} of the photos, class by class, were replaced by a second set's of the same class"
        return replaced(labels, replaced_by, num_classes, text)


PLUGIN = Mix
