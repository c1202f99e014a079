"""What happens to pictures on their way through the web, with random parameters that fit no grid."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def encoded_again(picture: np.ndarray, quality: float) -> np.ndarray:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _resized(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    scale = rng.uniform(75 / min(picture.shape[:2]), 1.8)
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _stretched(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = picture.shape[:2]
    return cv2.resize(picture, (round(width * rng.uniform(0.7, 1.4)), height), interpolation=cv2.INTER_AREA)


def _gray(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def _brighter(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed = 128 + (picture.astype(np.float64) - 128) * rng.uniform(0.7, 1.3) + rng.uniform(-45, 45)
    return changed.clip(0, 255).astype(np.uint8)


def _captioned(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed, height = picture.copy(), picture.shape[0]
    changed[height - round(height * rng.uniform(0.04, 0.1)) :] = rng.choice([0, 255])
    cv2.putText(changed, "a photo", (5, height - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (128, 128, 128))
    return changed


def _cropped(most: float) -> Change:
    """Up to so much of the side is cut off at each edge."""

    def crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = picture.shape[:2]
        top, bottom, left, right = (round(side * rng.uniform(0, most)) for side in (height, height, width, width))
        return np.ascontiguousarray(picture[top : height - bottom, left : width - right])

    return crop


def _part(least: float, most: float) -> Change:
    """Such a share of each side is left, anywhere."""

    def crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = (int(side * rng.uniform(least, most)) for side in picture.shape[:2])
        top, left = (
            int(rng.uniform(0, side - kept)) for side, kept in zip(picture.shape, (height, width), strict=False)
        )
        return np.ascontiguousarray(picture[top : top + height, left : left + width])

    return crop


def _turned(most: float) -> Change:
    def turn(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = picture.shape[:2]
        angle = rng.uniform(-most, most)
        zoom = 1 + abs(np.sin(np.radians(angle))) * max(height / width, width / height)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, zoom)
        return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)

    return turn


def _padded(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    margins = [int(rng.uniform(4, 30)) for _ in range(4)]
    level = int(rng.choice([0, 128, 255]))
    return cv2.copyMakeBorder(picture, *margins, cv2.BORDER_CONSTANT, value=[level] * 3)


SURE: dict[str, Change] = {
    "encoded again, quality 30 to 90": lambda picture, rng: encoded_again(picture, rng.uniform(30, 90)),
    "resized, 75 px to 1.8 times": _resized,
    "stretched, 0.7 to 1.4": _stretched,
    "gray": _gray,
}
"""Promised: 99.5 % within 51 bits."""
LIKELY: dict[str, Change] = {
    "brightness and contrast": _brighter,
    "caption bar, 4 to 10 %": _captioned,
    "cropped by up to 2 % an edge": _cropped(0.02),
    "turned by up to 2 degrees": _turned(2),
}
"""Promised: 95 % within 51 bits, 98.5 % within 64."""
FOUND: dict[str, Change] = {
    "mirrored": lambda picture, rng: np.ascontiguousarray(picture[:, ::-1]),
    "uniform border": _padded,
}
"""Promised: 98 % found, by a hash of their own."""
HARD: dict[str, Change] = {
    "cropped by up to 5 % an edge": _cropped(0.05),
    "turned by up to 5 degrees": _turned(5),
    "80 to 95 % of each side left": _part(0.8, 0.95),
}
"""Nothing is promised."""


def changed(name: str, picture: np.ndarray, seed: int) -> np.ndarray:
    """A picture after the change called so, as a JPEG file of it shows it."""
    change = {**SURE, **LIKELY, **FOUND, **HARD}[name]
    rng = np.random.default_rng([seed, *name.encode()])
    return encoded_again(change(picture, rng), rng.uniform(70, 95))
