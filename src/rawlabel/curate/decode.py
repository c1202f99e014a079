"""Decode a stored photo in full and say what is wrong with it, if anything."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from rawlabel.records import Reason

FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
"""Formats that are opened; Pillow reads many more, some of them dangerous for files from strangers."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding found: a reason to reject the file, or its size and the digest of its pixels."""

    reason: Reason | None = None
    width: int | None = None
    """Pixels, after the turn that the EXIF orientation asks for."""
    height: int | None = None
    pixel_sha256: str | None = None
    """SHA-256 (hex) of size and RGB pixels: equal for files that differ in metadata only."""


def check_image(path: Path, min_side: int, max_megapixels: float) -> Decoded:
    """Decode the file at `path`; the pixel limit is read from the header, before anything is decoded."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > max_megapixels * 1e6:
                return Decoded(Reason.TOO_LARGE, image.width, image.height)
            pixels = ImageOps.exif_transpose(image).convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Decoded(Reason.TOO_LARGE)
    except UnidentifiedImageError:
        return Decoded(Reason.NOT_AN_IMAGE)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        # Pillow raises any of these for damaged files, by format and kind of damage.
        return Decoded(Reason.TRUNCATED)
    digest = hashlib.sha256(f"{pixels.width}x{pixels.height}:".encode())
    digest.update(pixels.tobytes())
    reason = Reason.TOO_SMALL if min(pixels.size) < min_side else None
    return Decoded(reason, pixels.width, pixels.height, digest.hexdigest())
