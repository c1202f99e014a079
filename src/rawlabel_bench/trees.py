"""Folders of generated JPEG files whose classes a small network can learn, but not at once.

No image ships with the benchmark: a tree is made once, from a seed, in the cache folder. A class is a hue and a
width of stripes; hue, place and direction of the stripes vary from image to image. Photos have, besides, a texture
that falls off with frequency as nature's do, so that their files are as large as photographs' and stay so when
they are shrunk: of 1,000 images of ImageNet with a median size of 500 x 375 pixels, a file has 110 KB on average,
and 27.6 and 39.6 KB at a shorter side of 256 and 320 pixels and quality 90.
"""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel.base.files import disk_errors, read_json, write_json
from rawlabel_bench.report_records import TreeRow, TreeSpecRow

_MARK = "tree.json"
_PLANE = 1024
_QUALITY = 90
_PHOTO_QUALITY = 96
"""Of photos as they are; cameras and sites spend more bytes on them than a pack does."""
_FALL = 1.4
"""Exponent by which a photo's texture falls off with frequency."""
_TEXTURE, _SENSOR = 58.0, 6.7
"""Standard deviations [grey levels of 255] of a photo's texture and of the noise of its sensor, before each image
scales them by about 0.6."""
_SMALL = 64
"""Images with a side of up to this [pixels] are no photos."""
_RECIPE = 2
"""Counted up when the generated images change, so that no older tree is taken for one of today's."""


@dataclass(frozen=True)
class TreeSpec:
    """A tree to generate; equal specifications give equal files."""

    name: str
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    num_train: int
    num_test: int
    num_classes: int = 10
    drawn_at: tuple[int, int] | None = None
    """Width and height [pixels] at which the images are drawn before they are shrunk; by default as stored."""
    seed: int = 0

    @property
    def is_photo(self) -> bool:
        """Whether the images look like photos to a JPEG encoder."""
        return min(self.drawn_at or (self.width, self.height)) > _SMALL

    def describe(self) -> TreeSpecRow:
        """The specification, as it is written beside the tree."""
        return {
            "name": self.name,
            "width": self.width,
            "height": self.height,
            "num_train": self.num_train,
            "num_test": self.num_test,
            "num_classes": self.num_classes,
            "drawn_at": list(self.drawn_at) if self.drawn_at else None,
            "seed": self.seed,
            "recipe": _RECIPE,
        }


def make_tree(spec: TreeSpec, cache: Path, workers: int) -> tuple[Path, TreeRow]:
    """Return the folder of `spec` (with `train` and `test`) and what it holds; generate it if it is not there yet.

    Raises `DiskError`.
    """
    size = f"{spec.width}x{spec.height}"
    folder = cache / f"{spec.name}-{size}-{spec.num_train}-{spec.num_test}"
    mark = folder / _MARK
    if mark.is_file():
        found: TreeRow = read_json(mark, "what this generated tree holds")
        if found.get("spec") == spec.describe():
            return folder, found
    with disk_errors(folder):
        cache.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=cache))
        try:
            total = sum(_write_part(spec, scratch, part, workers) for part in ("train", "test"))
            facts: TreeRow = {
                "spec": spec.describe(),
                "images": spec.num_train + spec.num_test,
                "mean_bytes": round(total / (spec.num_train + spec.num_test)),
            }
            write_json(scratch / _MARK, facts)
            if folder.exists():
                shutil.rmtree(folder)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder, facts


def _write_part(spec: TreeSpec, folder: Path, part: str, workers: int) -> int:
    """Write `train` or `test`; return its size [bytes]."""
    for label in range(spec.num_classes):
        (folder / part / class_name(label)).mkdir(parents=True)
    noise = _photo_grain(spec.seed) if spec.is_photo else _grain(spec.seed)
    count = spec.num_train if part == "train" else spec.num_test
    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(lambda index: _write_image(spec, folder / part, part, index, noise), range(count)))


def _grain(seed: int) -> npt.NDArray[np.float32]:
    """Noise [plane, plane, 3] that hides the class of small images for a while."""
    noise = np.random.default_rng(seed).normal(0, 1, (_PLANE, _PLANE, 3)).astype(np.float32)
    grain: npt.NDArray[np.float32] = 34 * noise + 26 * cv2.GaussianBlur(noise, (0, 0), 1.2) * 4
    return grain


def _photo_grain(seed: int) -> npt.NDArray[np.float32]:
    """Texture [plane, plane, 3] of photos: mostly brightness, falling off with frequency, and a sensor's noise."""
    random = np.random.default_rng(seed)
    white = random.normal(0, 1, (_PLANE, _PLANE, 3))
    frequency = np.hypot(np.fft.fftfreq(_PLANE)[:, None], np.fft.fftfreq(_PLANE)[None, :])
    # The few lowest frequencies would be but another brightness of each image.
    fall = np.maximum(frequency, 4 / _PLANE) ** -_FALL
    texture = np.fft.ifft2(np.fft.fft2(white, axes=(0, 1)) * fall[:, :, None], axes=(0, 1)).real
    texture /= texture.std()
    brightness = np.sqrt(3) * texture.mean(axis=2, keepdims=True)
    grain = _TEXTURE * (0.85 * brightness + 0.3 * texture) + _SENSOR * random.normal(0, 1, white.shape)
    return np.asarray(grain, dtype=np.float32)


def _write_image(spec: TreeSpec, folder: Path, part: str, index: int, noise: npt.NDArray[np.float32]) -> int:
    label = index % spec.num_classes
    random = np.random.default_rng([spec.seed, int(part == "test"), index])
    pixels = draw(label, spec.num_classes, spec.drawn_at or (spec.width, spec.height), random, noise)
    if spec.drawn_at:
        shrunk = cv2.resize(pixels, (spec.width, spec.height), interpolation=cv2.INTER_AREA)
        pixels = np.asarray(shrunk, dtype=np.uint8)
    quality = _PHOTO_QUALITY if spec.is_photo and not spec.drawn_at else _QUALITY
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    (folder / class_name(label) / f"{index:07d}.jpg").write_bytes(encoded)
    return len(encoded)


def draw(
    label: int,
    num_classes: int,
    size: tuple[int, int],
    random: np.random.Generator,
    noise: npt.NDArray[np.float32],
) -> npt.NDArray[np.uint8]:
    """One image [height, width, 3] (BGR) of class `label`."""
    width, height = size
    # Neighbors in hue differ in their stripes, so both are needed to tell classes apart.
    hue = 2 * np.pi * label / num_classes + random.normal(0, 0.35)
    cycles = (2.0, 4.5)[label % 2] * np.exp(random.normal(0, 0.12))
    angle, phase = random.uniform(0, np.pi), random.uniform(0, 2 * np.pi)
    across = np.arange(width, dtype=np.float32)[None, :] * np.float32(np.cos(angle))
    down = np.arange(height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    stripes = np.sin((2 * np.pi * cycles / min(size)) * (across + down) + phase)
    tint = random.uniform(10, 26) * np.cos(hue + np.array([0, 2, 4]) * np.pi / 3)
    top, left = random.integers(0, _PLANE - height + 1), random.integers(0, _PLANE - width + 1)
    grain = noise[top : top + height, left : left + width] * np.float32(random.uniform(0.5, 0.7))
    pixels = grain + (128 + random.normal(0, 12) + tint).astype(np.float32)
    pixels += (np.float32(random.uniform(10, 22)) * stripes)[:, :, None]
    drawn: npt.NDArray[np.uint8] = np.clip(pixels, 0, 255).astype(np.uint8)
    return drawn


def class_name(label: int) -> str:
    """Name of the folder of a class, "class007", so that the order of names is that of labels."""
    return f"class{label:03d}"
