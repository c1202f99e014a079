"""Class names and labels of torchvision's sets, which keep them under many names.

Wherever they lie, they are taken from there: asking a set for image after image would decode them all.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

_LABELS = ("targets", "labels", "_labels", "y")
"""Attributes that hold one label an image."""
_PAIRS = ("_samples", "samples", "_flat_character_images")
"""Attributes that hold an image, or where it lies, and its label."""
_NAMES = ("classes", "categories", "all_categories", "_characters")


def label_values(images: Any) -> npt.NDArray[Any]:
    """The label of each image; of the type `object` where the set has none for some."""
    for attribute in _LABELS:
        if (values := getattr(images, attribute, None)) is not None:
            labels = np.asarray(values)
            # QMNIST has eight facts an image, and the class first.
            return labels[:, 0] if labels.ndim == 2 else labels
    for attribute in _PAIRS:
        if (pairs := getattr(images, attribute, None)) is not None:
            return np.asarray([label for _, label in pairs])
    if hasattr(images, "all_categories"):
        return np.asarray([category for category, _ in images.index])
    return np.asarray([images[index][1] for index in range(len(images))])


def class_names(images: Any) -> list[str] | None:
    """Names by class number, no two of them equal; None where the set has numbers alone.

    Two of ImageNet's classes are a crane, the bird and the machine: such names are followed by what tells the
    classes apart, the WordNet id or else the number.
    """
    found = next((names for one in _NAMES if (names := getattr(images, one, None))), None)
    index = getattr(images, "class_to_idx", None) or {}
    # The classes may be listed in another order than that of their numbers.
    if sorted(index.values()) == list(range(len(found or index))):
        found = sorted(index, key=index.__getitem__)
    if not found:
        return None
    names = [one if isinstance(one, str) else ", ".join(one) for one in found]
    counts, apart = Counter(names), getattr(images, "wnids", None) or range(len(names))
    return [name if counts[name] == 1 else f"{name} ({one})" for name, one in zip(names, apart, strict=True)]


def stable_order(images: Any) -> npt.NDArray[np.int64] | None:
    """Positions in an order that is the same on every machine, for sets that take that of the file system."""
    match type(images).__name__:
        case "INaturalist":
            keys = images.index
        case "Omniglot":
            keys = [(images._characters[label], name) for name, label in images._flat_character_images]
        case "SUN397":
            keys = images._image_files
        case _:
            return None
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
