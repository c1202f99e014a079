"""Whether a holdout is large enough to tell any two epochs apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rawlabel.base.metrics import clopper_pearson
from rawlabel.records import EpochRecord

FEWEST_PHOTOS = 6
"""Photos by which two epochs must differ: the exact McNemar test, all in favor of one of them, gives 2 / 2**6 =
0.03; with five it gives 0.06."""


def holdout_doubt(records: Sequence[EpochRecord], selected: int, num_images: int) -> str | None:
    """What to say of a selection by a holdout of `num_images` that cannot tell the best epoch from the worst.

    None where it can, and where there are not two epochs to compare.
    """
    accuracies = {one.epoch: one.holdout_accuracy for one in records if one.holdout_accuracy is not None}
    if len(accuracies) < 2 or selected not in accuracies or not num_images:
        return None
    right = {epoch: round(value * num_images / 100) for epoch, value in accuracies.items() if np.isfinite(value)}
    if selected not in right or (apart := max(right.values()) - min(right.values())) >= FEWEST_PHOTOS:
        return None
    lower, upper = clopper_pearson(right[selected], num_images)
    photos = "photo" if num_images == 1 else "photos"
    accuracy = f"{100 * right[selected] / num_images:.2f} % [{100 * lower:.2f}, {100 * upper:.2f}]"
    return (
        f"but {num_images} held-out {photos} cannot tell the epochs apart: its accuracy there is {accuracy}, and "
        f"the best epoch and the worst differ by {apart} of them"
    )
