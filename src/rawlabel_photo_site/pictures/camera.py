"""The camera of the simulated photographers: light, colour cast and sensor noise on a drawn scene."""

from __future__ import annotations

import hashlib
import math

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]
"""Height x width x 3, linear in 0 to 1."""


def generator(*key: object) -> np.random.Generator:
    """A random generator that depends on the key only."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def texture(width: int, height: int, cells: int, random: np.random.Generator) -> Pixels:
    """Smooth random relief, height x width, of mean 0 and deviation about 1."""
    shorter = max(2, round(cells * min(width, height) / max(width, height)))
    grid = (cells, shorter) if width >= height else (shorter, cells)
    # Always the same number of draws, so that the scene does not depend on the size that is asked for.
    values = random.standard_normal((cells, cells), dtype=np.float32)[: grid[1], : grid[0]]
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def expose(scene: Pixels, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A photo of the scene: uneven light, vignette, colour cast, now and then a shadow, blur and noise."""
    height, width = scene.shape[:2]
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0.03, 0.32)
    vignette, exposure = random.uniform(0.0, 0.12), random.uniform(0.82, 1.12)
    cast = random.normal(1.0, 0.045, 3).astype(np.float32)
    shadow, edge, depth = random.uniform(0, 2 * np.pi), random.uniform(-0.5, 0.9), random.uniform(0.15, 0.45)
    has_shadow, blur, grain = random.random() < 0.25, random.random(), random.uniform(0.008, 0.045)
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    light = 1 + strength * (math.cos(angle) * across + math.sin(angle) * down) - vignette * (across**2 + down**2)
    if has_shadow:
        distance = math.cos(shadow) * across + math.sin(shadow) * down - edge
        light = light * (1 - depth / (1 + np.exp(-14 * distance)))
    # Everything stays in single precision and in place: this is most of the time that a photo takes.
    photo = scene * light[..., None]
    photo *= np.float32(exposure) * cast
    if blur > 0.7:
        sigma = (blur - 0.65) * 0.012 * min(width, height)
        photo = np.asarray(cv2.GaussianBlur(photo, (0, 0), max(sigma, 0.3)), dtype=np.float32)
    noise = random.standard_normal((height, width), dtype=np.float32)
    noise *= grain
    photo += noise[..., None]
    photo *= 255
    return np.clip(photo, 0, 255, out=photo).astype(np.uint8)
