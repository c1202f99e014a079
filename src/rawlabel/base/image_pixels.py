"""From the bytes of an image file to the picture that is meant: eight bits a channel, RGB, upright.

Checking, fingerprints, stored copies, exports, thumbnails and training all ask here how a picture is turned and
how deep pixels become eight bits, so that all of them see the same one. The orientation is EXIF's, else the one
that XMP states (Exif 2.32, section 4.6.4; XMP specification part 2, section 3.4). Of 16 bits the upper eight are
taken, as OpenCV does; Pillow's own conversion makes all but the darkest pixels white.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

PILLOW_FAULTS = (OSError, SyntaxError, ValueError, EOFError, IndexError)
"""What Pillow raises for damaged files, by format and kind of damage."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OPENCV_AGREES = (b"\xff\xd8", _SIGNATURE, b"BM")
"""Beginnings of JPEG, PNG and BMP. OpenCV differs over transparent GIF, deep TIFF and PNM of unusual depth."""
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_LARGEST_TEXT = 1_000_000
"""Bytes of one text or color profile, unpacked, above which Pillow refuses the whole PNG."""
_TEXTS_TOGETHER = 16_000_000
_WEBP_METADATA = 0x0C
"""Flags of EXIF and XMP in a WebP file's header (RFC 9649, section 2.7.1)."""
_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_image(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """Open a file's bytes with Pillow; nothing is decoded yet.

    A PNG is opened without texts and color profiles of a size that Pillow refuses: they say nothing about the
    picture. How many pixels it may have is for the caller to say, by `size`. Raises what Pillow raises.
    """
    return _opened(_without_large_texts(data), formats)


def _opened(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    # Pillow's own limit would warn, or refuse, before the size can be read, and whatever --max-megapixels says.
    Image.MAX_IMAGE_PIXELS = None
    return Image.open(BytesIO(data), formats=formats)


def upright_rgb(image: Image.Image, orientation: int) -> Image.Image:
    """Decode an opened image to upright RGB. Raises what Pillow raises."""
    image.load()
    picture = _in_eight_bits(image)
    # Converted only where need be: each copy takes as long as a third of the decoding.
    picture = picture if picture.mode == "RGB" else picture.convert("RGB")
    method = _TRANSPOSED.get(orientation)
    return picture if method is None else picture.transpose(method)


def turned(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Pixels [height, width, 3] as they are stored, turned upright."""
    if orientation not in _TRANSPOSED:
        return pixels
    if orientation in (5, 6, 7, 8):
        pixels = np.asarray(cv2.transpose(pixels), dtype=np.uint8)
    if orientation in (3, 4, 7, 8):
        pixels = np.asarray(cv2.flip(pixels, 0), dtype=np.uint8)
    if orientation in (2, 3, 6, 7):
        pixels = np.asarray(cv2.flip(pixels, 1), dtype=np.uint8)
    return pixels


def orientation_of(data: bytes, formats: tuple[str, ...]) -> int:
    """How a picture is stored, 1 (upright) to 8, by EXIF or else XMP; 1 where neither says so, or is damaged."""
    if data.startswith(_SIGNATURE):
        # Without the picture itself, behind which such chunks may stand.
        try:
            data = _metadata_alone(data)
        except struct.error:
            return 1
    elif not _may_say_orientation(data):
        return 1
    try:
        with _opened(data, formats) as image:
            return stated_orientation(image)
    except (*PILLOW_FAULTS, struct.error, zlib.error):
        return 1


def stated_orientation(image: Image.Image) -> int:
    """The same of an opened image, as it is still stored."""
    if image.format == "TIFF":
        # Pillow turns these by itself while it decodes them.
        return 1
    try:
        # The base class's: a PNG's own would decode the picture first.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except (*PILLOW_FAULTS, KeyError, TypeError, struct.error, zlib.error):
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSED else 1


def decode_upright(stored: npt.NDArray[np.uint8], how: int, formats: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Decode a file upright, in the channels and at the size (or the full one) that OpenCV's `how` says.

    OpenCV is faster, so it decodes the formats that it sees as Pillow does; Pillow decodes all others. Raises
    `ValueError` when it cannot be decoded.
    """
    data = stored.tobytes()
    if data.startswith(_OPENCV_AGREES) or data[8:12] == b"WEBP":
        try:
            pixels = cv2.imdecode(stored, how | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error:
            # The header claims more pixels than OpenCV agrees to decode.
            pixels = None
        if pixels is not None:
            return turned(np.asarray(pixels, dtype=np.uint8), orientation_of(data, formats))
    try:
        with open_image(data, formats) as image:
            picture = np.asarray(upright_rgb(image, orientation_of(data, formats)))
    except PILLOW_FAULTS as error:
        raise ValueError("no image that can be decoded") from error
    return np.ascontiguousarray(picture if how & cv2.IMREAD_COLOR_RGB else picture[..., ::-1])


def _may_say_orientation(data: bytes) -> bool:
    """Whether Pillow should be asked, which takes longer than this look."""
    if data.startswith(b"\xff\xd8"):
        header = data[: _end_of_jpeg_header(data)]
        return b"Exif" in header or b"tiff:Orientation" in header
    if data[8:12] == b"WEBP":
        return data[12:16] == b"VP8X" and bool(data[20:21] and data[20] & _WEBP_METADATA)
    return not data.startswith(b"GIF8") or b"tiff:Orientation" in data


def _end_of_jpeg_header(data: bytes) -> int:
    """Where the scans of a JPEG begin, or its segments cannot be followed any more."""
    at = 2
    while data[at : at + 1] == b"\xff" and len(data) >= at + 4 and data[at + 1] != 0xDA:
        # A marker may stand behind any number of filling bytes.
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _in_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    pixels: npt.NDArray[Any] = np.asarray(image)
    return Image.fromarray(np.clip(pixels >> 8, 0, 255).astype(np.uint8))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and whole of each chunk of a PNG up to its end. Raises `struct.error` when it is cut short."""
    at, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at : at + 12 + length]
        at += 12 + length


def _metadata_alone(data: bytes) -> bytes:
    """A PNG's header and what it says about itself, without its picture."""
    data = _without_large_texts(data)
    wanted = (b"IHDR", b"eXIf", b"IEND", *_PNG_TEXTS)
    return _SIGNATURE + b"".join(chunk for kind, chunk in _chunks(data) if kind in wanted)


def _without_large_texts(data: bytes) -> bytes:
    """A PNG without the texts and color profiles that are too large for Pillow; anything else as it is."""
    if not data.startswith(_SIGNATURE):
        return data
    kept, together, is_changed = [], 0, False
    try:
        for kind, chunk in _chunks(data):
            size = _unpacked_size(kind, chunk[8:-4]) if kind in (*_PNG_TEXTS, b"iCCP") else 0
            together += size
            if size > _LARGEST_TEXT or together > _TEXTS_TOGETHER:
                together, is_changed = together - size, True
            else:
                kept.append(chunk)
    except struct.error:
        # Cut short, or something else than chunks; for the decoder to say.
        return data
    return _SIGNATURE + b"".join(kept) if is_changed else data


def _unpacked_size(kind: bytes, body: bytes) -> int:
    """Bytes that a text or profile takes when it is unpacked, counted up to a little above the limit."""
    _, _, rest = body.partition(b"\0")
    if kind == b"tEXt" or (kind == b"iTXt" and rest[:1] == b"\0"):
        return len(body)
    # A profile and a zTXt have a byte for the method, an iTXt two and two more texts, before what is packed.
    packed = rest[1:] if kind != b"iTXt" else rest[2:].split(b"\0", 2)[-1]
    try:
        return len(zlib.decompressobj().decompress(packed, _LARGEST_TEXT + 1))
    except zlib.error:
        return _LARGEST_TEXT + 1
