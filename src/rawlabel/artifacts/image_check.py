"""Decode an image file in full, say what is wrong with it, if anything, and measure what identifies it.

Two files show the same picture to a degree: equal bytes (SHA-256), equal pixels (`pixel_sha256`: the upright
RGB pixels), or a near copy (`perceptual_hash`: few different bits; `rawlabel.artifacts.copies.fingerprint`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from rawlabel.artifacts.copies.fingerprint import (
    Fingerprint,
    fingerprint,
    perceptual_hash,
    pixel_digest,
    uniform_share,
)
from rawlabel.base.image_files import IMAGE_FORMATS
from rawlabel.base.image_pixels import PILLOW_FAULTS, open_image, orientation_of, upright_rgb
from rawlabel.records import Reason

FORMATS = tuple(one.pillow_name for one in IMAGE_FORMATS)
"""Formats that are opened; Pillow reads many more, some of them dangerous for files from strangers."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding found: a reason to reject the file, or its size and what identifies the picture."""

    reason: Reason | None = None
    width: int | None = None
    """Pixels, after the turn that the orientation asks for."""
    height: int | None = None
    pixel_sha256: str | None = None
    """SHA-256 (hex) of size and RGB pixels: equal for files that differ in metadata only."""
    perceptual_hash: str | None = None
    """64 hex digits."""
    uniform_share: float | None = None
    """Share of the picture that has one color [0 to 1]; None where nobody has looked."""


def check_image(source: Path | bytes, min_side: int, max_megapixels: float) -> Decoded:
    """Decode a file or its bytes; the pixel limit is read from the header, before anything is decoded."""
    return within_limits(decode_image(source, max_megapixels)[0], min_side, max_megapixels)


def within_limits(checked: Decoded, min_side: int, max_megapixels: float) -> Decoded:
    """The same, rejected when it is a picture of a size that is not wanted, or of one color all over."""
    if checked.reason is None and (checked.width or 0) * (checked.height or 0) > max_megapixels * 1e6:
        return Decoded(Reason.TOO_LARGE, checked.width, checked.height)
    if checked.reason is None and min(checked.width or 0, checked.height or 0) < min_side:
        return replace(checked, reason=Reason.TOO_SMALL)
    if checked.reason is None and checked.uniform_share == 1:
        return replace(checked, reason=Reason.FLAT)
    return checked


def examine_image(source: Path | bytes, max_megapixels: float) -> tuple[Decoded, Fingerprint | None]:
    """What `decode_image` finds, and the fingerprint of the picture when there is one."""
    refused, picture = _opened(source, max_megapixels)
    if picture is None:
        return refused, None
    found = fingerprint(np.asarray(picture))
    return decoded_of(found), found


def decoded_of(found: Fingerprint) -> Decoded:
    """What decoding found of a picture by its fingerprint, which says as much."""
    share = uniform_share(found.thumbnail)
    return Decoded(None, found.width, found.height, found.pixels.hex(), found.hash.hex(), share)


def decode_image(source: Path | bytes, max_megapixels: float) -> tuple[Decoded, Image.Image | None]:
    """What `check_image` finds but for the smallest side, and the upright RGB picture when there is one."""
    refused, picture = _opened(source, max_megapixels)
    if picture is None:
        return refused, None
    pixels = np.asarray(picture)
    digest = pixel_digest(pixels).hex()
    return Decoded(None, picture.width, picture.height, digest, perceptual_hash(pixels)), picture


def _opened(source: Path | bytes, max_megapixels: float) -> tuple[Decoded, Image.Image | None]:
    """The upright RGB picture, or what is wrong with the file."""
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
        with open_image(data, FORMATS) as image:
            if image.width * image.height > max_megapixels * 1e6:
                return Decoded(Reason.TOO_LARGE, image.width, image.height), None
            picture = upright_rgb(image, orientation_of(data, FORMATS))
    except UnidentifiedImageError:
        return Decoded(Reason.NOT_AN_IMAGE), None
    except PILLOW_FAULTS:
        return Decoded(Reason.TRUNCATED), None
    return Decoded(), picture


def different_bits(one: str, other: str) -> int:
    """In how many bits two perceptual hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
