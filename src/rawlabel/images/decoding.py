"""Pixels: decode image files once, and cut training and evaluation views from them.

Everything here is uint8; casting and normalising are left to the device.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import psutil
import torch

from rawlabel.base import processes
from rawlabel.base.image_header import NotDecodable, refuse_large
from rawlabel.base.image_pixels import decode_upright
from rawlabel.base.progress import progress
from rawlabel.config.declaring import MAX_MEGAPIXELS
from rawlabel.errors import ConfigError
from rawlabel.images.image_source import ImageSource, StoredImage, UnreadableImage

Pixels = npt.NDArray[np.uint8]
"""[height, width, 3], RGB."""

AUTO_SHARE = 0.4
"""Share of the free memory that images may take by themselves; larger sets are decoded in every epoch."""
_MOST = 0.8
"""Share of it that they may take when somebody asks for it."""
_SHRINK_FROM = 1.5
"""Photos are brought to the stored side when they are at least so many times larger: below that, shrinking one
costs more than it saves the crops that follow, which are resized anyway."""
_SMALL = 64
"""Images stored at up to this side [pixels] always get it."""
_ANTIALIASED_FROM = 1.25
"""Shrinking by less is plain interpolation: it differs from an antialiased one by less than one grey level in
255, and takes a third of the time."""
_CHUNK = 64
"""Images that one thread decodes between two steps of the progress bar."""
DRAWS = 5
"""Random numbers that the augmentation of one image takes."""


@dataclass(frozen=True)
class Transform:
    """How images become network input.

    `augment` is resized_crop, resized_crop_only (without flip), crop_flip, crop, flip or none.
    """

    image_size: int
    augment: str

    @classmethod
    def choose(cls, image_size: int, augment: str, *, crop: bool = True, flip: bool = True) -> Transform:
        """Resolve `auto`, then leave out crop or flip where they are not wanted."""
        if augment == "auto":
            augment = "crop_flip" if image_size <= 64 else "resized_crop"
        if not crop:
            augment = "flip" if augment in ("resized_crop", "crop_flip", "flip") else "none"
        if not flip:
            augment = {"resized_crop": "resized_crop_only", "crop_flip": "crop", "flip": "none"}.get(
                augment, augment
            )
        return cls(image_size, augment)

    @property
    def stored_side(self) -> int:
        """Shorter side [pixels] at which decoded images are kept; random crops need some spare pixels."""
        return round(1.43 * self.image_size) if self.is_resized_crop else self.image_size

    @property
    def is_resized_crop(self) -> bool:
        """Whether views are cut anywhere and at any scale, and not from the centre square alone."""
        return self.augment in ("resized_crop", "resized_crop_only")

    def training_view(self, pixels: Pixels, draws: npt.NDArray[np.float64]) -> Pixels:
        """A random view [size, size, 3]; `draws` are `DRAWS` uniform numbers that decide it entirely."""
        if self.augment == "none":
            return self.evaluation_view(pixels)
        if self.is_resized_crop:
            view = self._resized_crop(pixels, draws)
        elif self.augment == "flip":
            view = self.evaluation_view(pixels)
        else:
            view = self._shifted_crop(pixels, draws)
        if self.augment not in ("crop", "resized_crop_only") and draws[4] < 0.5:
            view = _as_pixels(cv2.flip(view, 1))
        return view

    def evaluation_view(self, pixels: Pixels) -> Pixels:
        """The centre square: 7/8 of the shorter side for photos, all of it for small images."""
        height, width = pixels.shape[:2]
        side = min(height, width)
        if self.is_resized_crop:
            side = round(side * 7 / 8)
        top, left = (height - side) // 2, (width - side) // 2
        return resize_pixels(pixels[top : top + side, left : left + side], (self.image_size, self.image_size))

    def _resized_crop(self, pixels: Pixels, draws: npt.NDArray[np.float64]) -> Pixels:
        """Area 8 to 100 % and aspect 3/4 to 4/3 (Szegedy et al., arXiv 1409.4842, section 6)."""
        height, width = pixels.shape[:2]
        # Plain floats: NumPy's functions of single numbers take longer, and hold up the other threads.
        scale, shape, down, right, _ = draws.tolist()
        area = (0.08 + 0.92 * scale) * height * width
        aspect = math.exp(math.log(3 / 4) + (math.log(4 / 3) - math.log(3 / 4)) * shape)
        crop_width = min(max(round(math.sqrt(area * aspect)), 1), width)
        crop_height = min(max(round(math.sqrt(area / aspect)), 1), height)
        top = int(down * (height - crop_height + 1))
        left = int(right * (width - crop_width + 1))
        crop = pixels[top : top + crop_height, left : left + crop_width]
        return resize_pixels(crop, (self.image_size, self.image_size))

    def _shifted_crop(self, pixels: Pixels, draws: npt.NDArray[np.float64]) -> Pixels:
        """A square shifted by up to an eighth of the side, beyond the edge by reflection."""
        size = self.image_size
        margin = size // 8
        square = self.evaluation_view(pixels)
        padded = cv2.copyMakeBorder(square, margin, margin, margin, margin, cv2.BORDER_REFLECT_101)
        top, left = int(draws[2] * (2 * margin + 1)), int(draws[3] * (2 * margin + 1))
        return _as_pixels(padded[top : top + size, left : left + size])


class DecodedImages(Protocol):
    """Images that are decoded, or are when asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Pixels: ...


class Images:
    """Decoded images of a source, kept in memory where they fit (auto), always (memory) or never (none)."""

    def __init__(
        self,
        source: ImageSource,
        stored_side: int,
        workers: int,
        title: str | None = None,
        cache: Literal["auto", "memory", "none"] = "auto",
    ) -> None:
        """Decode all of `source` if they are kept, with progress under `title`.

        Raises `DataError` that names an image which cannot be read or decoded, and `ConfigError` when they shall
        be kept and are too many.
        """
        self.source, self._side = source, stored_side
        self._cache: list[Pixels] | Pixels | None = None
        count = len(source)
        if not count or cache == "none":
            return
        needed, free = _decoded_bytes(source, stored_side), free_memory()
        if cache == "auto" and needed > AUTO_SHARE * free:
            return
        room_for(needed, free, f"--cache memory: {count} images", "use --cache none, or a smaller --image-size")
        if _is_as_stored(source, stored_side):
            self._cache = source.side_by_side(np.arange(count))
            return
        with ThreadPoolExecutor(workers) as pool, progress(title, count) if title else nullcontext() as task:
            self._cache = decoded = []
            for start in range(0, count, _CHUNK * workers):
                for pixels in pool.map(self._decode, range(start, min(start + _CHUNK * workers, count))):
                    decoded.append(pixels)
                if task:
                    task.advance(min(_CHUNK * workers, count - start))

    @property
    def place(self) -> str:
        """Where they are kept: in `memory`, or nowhere (`none`)."""
        return "none" if self._cache is None else "memory"

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Pixels:
        return self._cache[index] if self._cache is not None else self._decode(index)

    def _decode(self, index: int) -> Pixels:
        return read_pixels(self.source, index, self._side)


def read_pixels(source: ImageSource, index: int, shorter_side: int | None) -> Pixels:
    """Read and decode one image of `source`, see `decode_image`. Raises `DataError` that names it."""
    try:
        return decode_image(source.read(index), shorter_side, source.max_megapixels)
    except NotDecodable as error:
        raise UnreadableImage(f"{source.where(index)}: {error}", error.remedy or source.remedy) from error


def decode_image(stored: StoredImage, shorter_side: int | None, max_megapixels: float = MAX_MEGAPIXELS) -> Pixels:
    """Decode an image to RGB, and shrink it to the shorter side [pixels], if one is given, where that pays.

    Small images get exactly that side. Raises `NotDecodable`.
    """
    if stored.ndim == 3:
        return np.ascontiguousarray(shrunk(stored, shorter_side))
    # The decoder writes RGB by itself; swapping the channels afterwards would take another twentieth of the time.
    return shrunk(decode_file(stored, cv2.IMREAD_COLOR_RGB, max_megapixels), shorter_side)


def decode_file(stored: StoredImage, how: int, max_megapixels: float) -> Pixels:
    """Decode the bytes of an image file as OpenCV's `how` says. Raises `NotDecodable`.

    What is larger than `max_megapixels` by its header is not decoded.
    """
    formats = refuse_large(stored, max_megapixels)
    try:
        return decode_upright(stored, how, formats)
    except (ValueError, MemoryError) as error:
        raise NotDecodable from error


def shrunk(pixels: Pixels, shorter_side: int | None) -> Pixels:
    """A decoded image at the side at which it would be kept, see `decode_image`."""
    if shorter_side is None:
        return pixels
    height, width = pixels.shape[:2]
    if _stays(height, width, shorter_side):
        return pixels
    scale = shorter_side / min(height, width)
    return resize_pixels(
        pixels, (max(shorter_side, round(width * scale)), max(shorter_side, round(height * scale)))
    )


def _stays(height: int, width: int, shorter_side: int) -> bool:
    """Whether images of that size are kept as they are."""
    side = min(height, width)
    return side == shorter_side or (shorter_side > _SMALL and side < _SHRINK_FROM * shorter_side)


def resize_pixels(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to (width, height), antialiased where it shrinks much."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    if max(width / size[0], height / size[1]) > _ANTIALIASED_FROM:
        return _antialiased(pixels, size)
    return _as_pixels(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR))


def _antialiased(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize to (width, height) as Pillow's bilinear filter does, in half the time of OpenCV's by area."""
    # A copy, since torch takes no memory that is read-only and is fast where the pixels lie without gaps.
    image = torch.from_numpy(np.array(pixels, order="C"))[None].permute(0, 3, 1, 2)
    width, height = size
    resized = torch.nn.functional.interpolate(image, (height, width), mode="bilinear", antialias=True)
    return _as_pixels(resized[0].permute(1, 2, 0).numpy())


def _as_pixels(array: npt.NDArray[Any]) -> Pixels:
    """Say to the type checker what OpenCV's stubs leave open; copies nothing."""
    return np.asarray(array, dtype=np.uint8)


def free_memory() -> float:
    """This process's part of the machine's free memory [bytes]."""
    return float(psutil.virtual_memory().available / processes.local_count())


def room_for(needed: int, free: float, what: str, remedy: str) -> None:
    """Raise `ConfigError`, which begins with `what`, unless `needed` of `free` bytes can be taken."""
    if needed > _MOST * free:
        raise ConfigError(
            f"{what} need about {needed / 1e9:.2f} GB, and of {free / 1e9:.2f} GB free memory they get at most "
            f"{_MOST:.0%}; {remedy}"
        )


def _is_as_stored(source: ImageSource, shorter_side: int) -> bool:
    """Whether the source has the pixels as they are to be kept."""
    return source.pixel_shape is not None and _stays(*source.pixel_shape, shorter_side)


def _decoded_bytes(source: ImageSource, shorter_side: int) -> int:
    """Bytes of the images of a source, taking photos to have sides 2:3 and not to be shrunk."""
    if source.pixel_shape is not None and _is_as_stored(source, shorter_side):
        height, width = source.pixel_shape
        return len(source) * height * width * 3
    side = shorter_side if shorter_side <= _SMALL else round(_SHRINK_FROM * shorter_side)
    return len(source) * (side * side * 3 * 3 // 2)
