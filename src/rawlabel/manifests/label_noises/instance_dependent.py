"""Instance-dependent noise: what a photo looks like decides whether it is mistaken, and for what."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import truncnorm

from rawlabel.config.declaring import Section, setting
from rawlabel.errors import DataError
from rawlabel.manifests.label_noise import Evidence, LabelNoise, Labels, NoisyLabels
from rawlabel.manifests.label_noises._exact import relabeled


class InstanceDependentOptions(Section):
    """How much photos differ in how easily they are mistaken."""

    spread: float = setting(0.1, "Standard deviation of the photos' flip rates, before truncation.", gt=0)


class InstanceDependent(LabelNoise[InstanceDependentOptions]):
    """Each photo has a flip rate of its own, and its features decide which class it is mistaken for.

    Xia et al., NeurIPS 2020, arXiv 2006.07836, Algorithm 2: photo i of class y with features x has a flip rate q_i
    from a normal distribution of mean `rate` and deviation 0.1, truncated to [0, 1]; W_y [features, classes] is
    standard normal; the label becomes j other than y with probability q_i times the softmax over these j of x W_y.
    So the share of wrong labels is near the rate and not exactly it (rates near 0 and 1 are drawn towards the
    middle by the truncation); a rate of 0 changes nothing. Needs a features matrix.
    """

    Options = InstanceDependentOptions

    def apply(self, labels: Labels, num_classes: int, rng: np.random.Generator, evidence: Evidence) -> NoisyLabels:
        """Flip labels [n] to classes that the photo's features decide, at rates drawn around `rate`.

        Source: Xia and others 2020, algorithm 1. Raises `DataError` for one class or missing features.
        """
        if num_classes < 2:
            raise DataError("instance-dependent noise: there is one class; give at least two")
        features = _checked(evidence.features, len(labels))
        after = labels.copy()
        if self.rate > 0:
            spread = self.options.spread
            low, high = (0 - self.rate) / spread, (1 - self.rate) / spread
            flip_rates = truncnorm.ppf(rng.random(len(labels)), low, high, loc=self.rate, scale=spread)
            is_flipped = rng.random(len(labels)) < flip_rates
            for one in range(num_classes):
                # One class's projection at a time: all of them can be larger than memory.
                projection = rng.standard_normal((features.shape[1], num_classes))
                mine = np.flatnonzero(labels == one)
                scores = features[mine] @ projection
                scores[:, one] = -np.inf
                # The highest score plus Gumbel noise is a draw from the softmax of the scores.
                drawn = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
                after[mine] = np.where(is_flipped[mine], drawn, one)
        text = f"about {self.rate:.4g} of the labels became another class that the photo's features decide"
        return relabeled(labels, after, num_classes, text)


def _checked(features: npt.NDArray[np.floating[Any]] | None, num_labels: int) -> npt.NDArray[np.float64]:
    if features is None:
        raise DataError("instance-dependent noise: needs a feature vector for each photo; give them by --features")
    if features.ndim != 2 or len(features) != num_labels:
        raise DataError(f"--features: has shape {list(features.shape)}, but {num_labels} rows are needed")
    if not np.isfinite(features).all():
        raise DataError("--features: holds a value that is not finite; compute the features again")
    return features.astype(np.float64)


PLUGIN = InstanceDependent
