"""Asymmetric noise: each class is mistaken for one certain other."""

from __future__ import annotations

import numpy as np

from rawlabel.config.declaring import Section, setting
from rawlabel.errors import ConfigError, DataError
from rawlabel.manifests.label_noise import Evidence, LabelNoise, Labels, NoisyLabels
from rawlabel.manifests.label_noises._class_names import class_names, index_of
from rawlabel.manifests.label_noises._exact import flip, relabeled

_CIFAR10 = "truck:automobile,bird:airplane,deer:horse,cat:dog,dog:cat"
_CIRCLE = 5
"""Classes of a superclass of CIFAR-100."""


class AsymmetricOptions(Section):
    """Which class is mistaken for which."""

    map: str = setting(
        "next",
        "next (each class for the one after it, the last for the first), cifar10 (the published pairs, by name), "
        "cifar100 (the same within each five classes in a row), or pairs of classes such as owl:hawk,cat:dog.",
    )


class Asymmetric(LabelNoise[AsymmetricOptions]):
    """A share of the labels of each class in a map becomes the class that it maps to; other classes keep theirs.

    Patrini et al., CVPR 2017, arXiv 1609.03683 (section 5): on CIFAR-10 truck to automobile, bird to airplane,
    deer to horse, cat to dog and dog to cat; on CIFAR-100 the next class, in circles of five (4 becomes 0). In the
    paper these are the superclasses; the authors' code (github.com/giorgiop/loss-correction) takes the classes
    five by five in the order of their indices, and so does `map=cifar100`, for any multiple of five. The rate is
    the share within the classes of the map, as published.
    """

    Options = AsymmetricOptions

    def apply(self, labels: Labels, num_classes: int, rng: np.random.Generator, evidence: Evidence) -> NoisyLabels:
        """Flip labels [n] along the map of the options, class by class exactly.

        Raises `DataError` for a single class and `ConfigError` for a map that does not fit the classes.
        """
        if num_classes < 2:
            raise DataError("asymmetric noise: there is one class, and no other to flip to; give at least two")
        targets: list[list[int]] = [[] for _ in range(num_classes)]
        if self.options.map == "next":
            targets = _circles(num_classes, num_classes)
        elif self.options.map == "cifar100":
            if num_classes % _CIRCLE:
                raise ConfigError(
                    f"option map: cifar100 goes in circles of {_CIRCLE} classes, but there are {num_classes}; "
                    "use map=next"
                )
            targets = _circles(num_classes, _CIRCLE)
        else:
            for source, target in self._pairs(class_names(evidence, num_classes)):
                targets[source] = [target]
        text = f"{self.rate:.4g} of the labels of {sum(map(len, targets))} classes became one certain other class"
        return relabeled(labels, flip(labels, targets, self.rate, rng), num_classes, text)

    def _pairs(self, known: dict[str, int]) -> list[tuple[int, int]]:
        text = _CIFAR10 if self.options.map == "cifar10" else self.options.map
        pairs: dict[int, int] = {}
        for pair in text.split(","):
            first, colon, second = pair.partition(":")
            if not colon:
                raise ConfigError(f"option map: '{pair}' is no pair of classes; write it as owl:hawk")
            source, target = index_of(first, known), index_of(second, known)
            if source == target or source in pairs:
                raise ConfigError(f"option map: '{pair}' maps a class to itself, or for the second time")
            pairs[source] = target
        return list(pairs.items())


def _circles(num_classes: int, size: int) -> list[list[int]]:
    """For each class the one after it, in circles of so many classes in a row."""
    return [[one - one % size + (one + 1) % size] for one in range(num_classes)]


PLUGIN = Asymmetric
