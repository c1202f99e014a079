"""Views for encoders, as the transforms of a library cut them, in whole pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from rawlabel.models.encoder import Pixels

_TO_NUMBERS = ("MaybeToTensor", "ToTensor", "PILToTensor", "Normalize", "MaybePILToTensor", "ToNumpy")
"""Steps that change how pixels are written and not which ones are seen, by the names of their classes."""


def cutting(steps: Sequence[Any]) -> Callable[[Pixels], Pixels]:
    """What the `steps` of a transform for evaluation do to an image before it becomes numbers for the network."""
    kept = [step for step in steps if type(step).__name__ not in _TO_NUMBERS and callable(step)]

    def view(pixels: Pixels) -> Pixels:
        image: Any = Image.fromarray(pixels)
        for step in kept:
            image = step(image)
        return np.array(image, dtype=np.uint8)

    return view
