"""Pictures that are as much like photos as a hash needs."""

from __future__ import annotations

import cv2
import numpy as np


def photo(seed: int, side: int = 160) -> np.ndarray:
    """Soft spots of color, as much like a photo as a hash needs."""
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return cv2.resize(spots, (side + 30, side), interpolation=cv2.INTER_CUBIC)
