"""Pictures that are as much like photos as a hash needs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def photo(seed: int, side: int = 160) -> np.ndarray:
    """Soft spots of color, as much like a photo as a hash needs."""
    rng = np.random.default_rng(seed)
    spots = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return cv2.resize(spots, (side + 30, side), interpolation=cv2.INTER_CUBIC)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """In the format of the name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def write_owls_and_robins(root: Path, side: int, *, tests: int) -> None:
    """Twelve photos of each under `candidate`, and as many as `tests` under `test`, of which none is a copy."""
    for number, name in enumerate(("owl", "robin")):
        for one in range(12):
            write_picture(root / "candidate" / name / f"{one}.png", photo(100 * number + one, side))
        for one in range(tests):
            write_picture(root / "test" / name / f"{one}.png", photo(1000 + 100 * number + one, side))
