"""What identifies a picture, version 1: equal pixels, a hash that survives other sizes and encodings, a thumbnail.

The hash is the 256-bit pHash: the signs, about their median, of the 16 x 16 lowest frequencies of a 64 x 64 gray
thumbnail (Zauner, 2010; `hash_size=16` of the imagehash package). Resizing and encoding again change it by few
bits; cropping, borders and flips by many. So a picture with uniform borders has a second hash without them, and
each hash has its mirror image's beside it. Flat pictures, whose hash is noise, have little `quality`.

All of it is made from upright 8-bit RGB pixels at their full size (`rawlabel.base.image_pixels`), so that both
sides of a comparison see the same: the hash of a JPEG decoded at a smaller scale differs in 18 bits on the mean.
Whatever changes a bit takes a new `VERSION`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

VERSION = 1
"""Of all that is made here; fingerprints of two versions are not to be compared."""
BITS = 256
NEAR_COPY_BITS = 51
"""Most bits in which the hashes of near copies differ; unrelated photos differ in 84 or more."""
SMALL_SIDE = 64
"""Shorter side [pixels] up to which a hash tells too little to be relied on."""
THUMBNAIL_SIDE = 32
LEAST_QUALITY = 10
"""Below it a picture is so flat that its hash is noise."""

Pixels = npt.NDArray[np.uint8]
"""[height, width, 3], RGB, upright."""
Part = tuple[slice, slice]
"""Rows and columns of a picture."""

_HASH_SIDE, _TILE_SIDE = 16, 64
_GRID = 4
"""Parts with the same rows from which they are shrunk together."""
_FEWEST_SET = 112
"""Half the bits of a hash are set, unless so many frequencies of the picture are 0 that their median is too."""
_BORDER_MEAN, _BORDER_MOST = 8, 96
"""Gray levels by which a row or column of a border is off its edge, on the mean and at the most: lossy encoding
leaves ripples beside the picture."""
_ONE_COLOR = 6
"""Gray levels within which colors are one."""
_THINNEST_BORDER, _LEAST_PICTURE = 0.02, 0.4
"""Share of a side from which a border is one, and what is left of each side at the least."""


class Fingerprint(NamedTuple):
    """What identifies a picture."""

    pixels: bytes
    """SHA-256 of size and upright RGB pixels, 32 bytes."""
    hash: bytes
    """The perceptual hash, 32 bytes."""
    mirrored: bytes
    """That of the picture's mirror image, left and right exchanged."""
    trimmed: bytes | None
    """That of the picture without its uniform borders; None where it has none."""
    quality: int
    """How much there is to see, from 0 (flat) to 100: the sum of gradients, as PDQ has it."""
    width: int
    height: int
    thumbnail: Pixels
    """[32, 32, 3]."""

    @property
    def perceptual(self) -> bytes | None:
        """The hash, where it can be relied on: None of small and of flat pictures."""
        return self.hash if min(self.width, self.height) > SMALL_SIDE and self.is_telling else None

    @property
    def is_telling(self) -> bool:
        """Whether there is enough to see for a hash."""
        return self.quality >= LEAST_QUALITY and int.from_bytes(self.hash).bit_count() >= _FEWEST_SET


def fingerprint(pixels: Pixels) -> Fingerprint:
    """The fingerprint of an upright picture [height, width, 3] in RGB."""
    # One channel is enough to shrink.
    gray = _gray(pixels)
    tiles = [_tile(gray), _tile(np.asarray(cv2.flip(gray, 1), dtype=np.uint8))]
    inner = without_borders(gray)
    if inner is not None:
        tiles.append(_tile(gray[inner]))
    hashes = _signs(_low_frequencies(np.stack(tiles)))
    return Fingerprint(
        pixels=pixel_digest(pixels),
        hash=hashes[0].tobytes(),
        mirrored=hashes[1].tobytes(),
        trimmed=hashes[2].tobytes() if inner is not None else None,
        quality=int(qualities(tiles[0][None])[0]),
        width=pixels.shape[1],
        height=pixels.shape[0],
        thumbnail=thumbnail(pixels),
    )


def pixel_digest(pixels: Pixels) -> bytes:
    """SHA-256 of the size and the pixels of an RGB picture [height, width, 3]."""
    digest = hashlib.sha256(f"{pixels.shape[1]}x{pixels.shape[0]}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def perceptual_hash(pixels: Pixels) -> str:
    """The hash alone of an RGB picture [height, width, 3], as 64 hex digits."""
    return bytes(hashes_of([pixels])[0]).hex()


def hashes_of(pictures: Sequence[Pixels]) -> npt.NDArray[np.uint8]:
    """The hashes [pictures, 32] of many pictures at once, such as crops of one; of RGB or gray."""
    tiles = [_tile(one if one.ndim == 2 else _gray(one)) for one in pictures]
    return _signs(_low_frequencies(np.stack(tiles)))


def hashes_of_tiles(tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The hashes [pictures, 32] of gray tiles [pictures, 64, 64]."""
    return _signs(_low_frequencies(tiles))


def tiles_of_parts(gray: npt.NDArray[np.uint8], parts: Sequence[Part]) -> npt.NDArray[np.uint8]:
    """The tiles [parts, 64, 64] of parts of a gray picture, each as if it were shrunk alone.

    Shrinking by area goes along the rows and then down the columns, so of a grid of crops those with the same
    columns share the first half, and those with the same rows the second, which takes a fourth of the time. A gray
    level in some thousands is rounded the other way, and a bit in a hundred thousand turned.
    """
    tiles = np.zeros((len(parts), _TILE_SIDE, _TILE_SIDE), dtype=np.uint8)
    rows_of = [(rows.start, rows.stop) if _is_shared(rows, across) else None for rows, across in parts]
    count = Counter(rows_of)
    in_grid = [place for place, ends in enumerate(rows_of) if ends is not None and count[ends] >= _GRID]
    for place in set(range(len(parts))) - set(in_grid):
        tiles[place] = _tile(gray[parts[place]])
    if not in_grid:
        return tiles
    across = [(parts[place][1].start, parts[place][1].stop) for place in in_grid]
    columns = {ends: number for number, ends in enumerate(sorted(set(across)))}
    narrow = np.hstack([_narrow(gray[:, start:stop]) for start, stop in columns])
    small: dict[tuple[int, int] | None, npt.NDArray[np.uint8]] = {}
    for place, ends in zip(in_grid, across, strict=True):
        rows = rows_of[place]
        if rows not in small:
            shrunk = _by_area(narrow[parts[place][0]], (narrow.shape[1], _TILE_SIDE))
            small[rows] = np.asarray(cv2.convertScaleAbs(shrunk), np.uint8)
        tiles[place] = small[rows][:, columns[ends] * _TILE_SIDE :][:, :_TILE_SIDE]
    return tiles


def _is_shared(rows: slice, across: slice) -> bool:
    """Whether `_tile` shrinks a part by area, and down its columns in one step."""
    height, width = rows.stop - rows.start, across.stop - across.start
    return bool(min(height, width) >= _TILE_SIDE and height < 4 * _TILE_SIDE)


def _narrow(gray: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Columns of a picture [height, width], shrunk along the rows as `_tile` does it [height, 64]."""
    return _by_area(_by_whole_numbers(gray, down=1).astype(np.float32), (_TILE_SIDE, len(gray)))


def _by_area(picture: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def qualities(tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How much there is to see in gray tiles [pictures, 64, 64], from 0 to 100 (PDQ's measure)."""
    levels = tiles.astype(np.int64)
    total: npt.NDArray[np.int64] = np.zeros(len(tiles), dtype=np.int64)
    for axis in (1, 2):
        total += (np.abs(np.diff(levels, axis=axis)) * 100 // 255).sum(axis=(1, 2))
    return np.minimum(total // 90, 100)


def thumbnail(pixels: Pixels) -> Pixels:
    """The picture [32, 32, 3], whatever its shape."""
    size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def uniform_share(thumbnail: Pixels) -> float:
    """Share of a thumbnail that has its middle color, ripples of lossy encoding aside [0 to 1]."""
    off = np.abs(thumbnail.astype(np.int64) - np.median(thumbnail, axis=(0, 1)))
    return float((off.max(axis=2) <= _ONE_COLOR).mean())


def without_borders(gray: npt.NDArray[np.uint8]) -> tuple[slice, slice] | None:
    """Rows and columns of a gray picture [height, width] within its uniform borders; None where it has none."""
    rows, columns = _within(gray, 1), _within(gray, 0)
    thinnest = [_THINNEST_BORDER * side for side in gray.shape]
    margins = ((rows.start, gray.shape[0] - rows.stop), (columns.start, gray.shape[1] - columns.stop))
    if not any(max(ends) >= least for ends, least in zip(margins, thinnest, strict=True)):
        return None
    left = ((rows.stop - rows.start) / gray.shape[0], (columns.stop - columns.start) / gray.shape[1])
    return (rows, columns) if min(left) >= _LEAST_PICTURE else None


def trimmed(pixels: Pixels) -> Pixels:
    """A picture in RGB without its uniform borders; itself where it has none."""
    inner = without_borders(_gray(pixels))
    return pixels if inner is None else np.ascontiguousarray(pixels[inner])


def _within(gray: npt.NDArray[np.uint8], axis: int) -> slice:
    """The rows (axis 1) or columns (axis 0) from the first to the last that belongs to no border."""
    length = gray.shape[1 - axis]
    first, last = (_first_inner(gray if axis else gray.T, is_turned) for is_turned in (False, True))
    return slice(0, length) if first is None or last is None else slice(first, length - last)


def _first_inner(rows: npt.NDArray[np.uint8], is_turned: bool) -> int | None:
    """How many rows from one end belong to a border; None where all do."""
    rows = rows[::-1] if is_turned else rows
    level = np.uint8(np.median(rows[0]))
    start, count = 0, 4
    # Few pictures have borders, so most are known by their first rows.
    while start < len(rows):
        some = np.ascontiguousarray(rows[start : start + count])
        off = np.maximum(some, level) - np.minimum(some, level)
        mean = np.asarray(cv2.reduce(off, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F)).ravel()
        inner = np.flatnonzero((mean > _BORDER_MEAN) | (off.max(axis=1) > _BORDER_MOST))
        if len(inner):
            return start + int(inner[0])
        start, count = start + count, 4 * count
    return None


def _gray(pixels: Pixels) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _tile(gray: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A gray picture [64, 64]; shrinking by area keeps it the same for every size of the picture."""
    size = (_TILE_SIDE, _TILE_SIDE)
    return np.asarray(cv2.resize(_by_whole_numbers(gray), size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _by_whole_numbers(gray: npt.NDArray[np.uint8], down: int | None = None) -> npt.NDArray[np.uint8]:
    """A picture shrunk by whole numbers first, which nearly halves the time.

    Three bits of 256 change on the mean.
    """
    down = down or max(1, gray.shape[0] // (2 * _TILE_SIDE))
    across = max(1, gray.shape[1] // (2 * _TILE_SIDE))
    if down == across == 1:
        return gray
    whole = gray[: gray.shape[0] // down * down, : gray.shape[1] // across * across]
    size = (whole.shape[1] // across, whole.shape[0] // down)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _cosines() -> npt.NDArray[np.float64]:
    """The 16 lowest rows of the orthonormal discrete cosine transform of 64 values."""
    frequencies, places = np.arange(_HASH_SIDE)[:, None], np.arange(_TILE_SIDE)[None] + 0.5
    rows = np.sqrt(2 / _TILE_SIDE) * np.cos(np.pi / _TILE_SIDE * frequencies * places)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows, dtype=np.float64)


_COSINES = _cosines()


def _low_frequencies(tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The lowest frequencies [pictures, 16, 16] of gray tiles [pictures, 64, 64].

    In double precision, so that rounding, which depends on how many are multiplied at once, turns no bit.
    """
    return np.asarray(_COSINES @ tiles.astype(np.float64) @ _COSINES.T, dtype=np.float64)


def _signs(low: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """The hashes [pictures, 32] of lowest frequencies."""
    flat = low.reshape(len(low), -1)
    return np.packbits(flat > np.median(flat, axis=1, keepdims=True), axis=1)
