"""Remove EXIF, GPS, XMP, IPTC, comments and embedded previews from image files without touching the pixels.

The files are walked part by part and only parts that decoders need are copied (color profiles among them), so
nothing is re-encoded. A picture that is stored turned keeps its orientation as the only EXIF tag. What the walk
cannot follow is written anew as PNG, which is lossless too.

Sources: ITU-T T.81 annex B and JFIF 1.02 (JPEG); the PNG specification, third edition; RFC 9649 (WebP); the
GIF89a specification; Exif 2.32, section 4.6.4 (orientation).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from io import BytesIO

from PIL import ExifTags

from rawlabel.artifacts.image_check import FORMATS, decode_image
from rawlabel.base.image_files import sniff_media_type
from rawlabel.base.image_pixels import orientation_of

_PNG_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD hIST sPLT pHYs acTL fcTL fdAT".split()
)
_WEBP_CHUNKS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_ENDS_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def strip_metadata(data: bytes) -> bytes:
    """The same picture without metadata. Raises `ValueError` when the bytes are no image that can be decoded."""
    orientation = orientation_of(data, FORMATS)
    try:
        return _WALKS[sniff_media_type(data)](data, orientation)
    except (KeyError, IndexError, ValueError, struct.error):
        decoded, picture = decode_image(data, float("inf"))
        if picture is None:
            raise ValueError(f"cannot be decoded ({decoded.reason})") from None
        stream = BytesIO()
        picture.save(stream, "PNG")
        return stream.getvalue()


def _exif(orientation: int) -> bytes:
    """A TIFF structure with one directory that holds one tag."""
    tag = ExifTags.Base.Orientation
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, tag, 3, 1, orientation, 0, 0)


def _jpeg(data: bytes, orientation: int) -> bytes:
    parts: list[bytes] = []
    at = 2
    while at < len(data):
        if data[at] != 0xFF:
            raise ValueError("no marker where one is due")
        while data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if marker == 0xD9:
            parts.append(b"\xff\xd9")
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        payload = data[at + 4 : at + 2 + length]
        if length < 2 or len(payload) != length - 2:
            raise ValueError("a segment is cut short")
        parts.append(_jpeg_segment(marker, payload))
        at += 2 + length
        if marker == 0xDA:
            end = _ENDS_SCAN.search(data, at)
            stop = end.start() if end else len(data)
            parts.append(data[at:stop])
            at = stop
    if orientation > 1:
        is_jfif = parts[0].startswith(b"\xff\xe0")
        parts.insert(int(is_jfif), _segment(0xE1, b"Exif\0\0" + _exif(orientation)))
    return b"\xff\xd8" + b"".join(parts)


def _jpeg_segment(marker: int, payload: bytes) -> bytes:
    """The segment as it is kept; empty when it is metadata."""
    if marker == 0xE0 and payload.startswith(b"JFIF\0"):
        return _segment(marker, payload[:12] + b"\0\0")  # without its thumbnail
    is_profile = marker == 0xE2 and payload.startswith(b"ICC_PROFILE\0")
    is_color_transform = marker == 0xEE and payload.startswith(b"Adobe")
    is_metadata = 0xE0 <= marker <= 0xEF or marker == 0xFE
    return _segment(marker, payload) if is_profile or is_color_transform or not is_metadata else b""


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _png(data: bytes, orientation: int) -> bytes:
    parts = [data[:8]]
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + length]
        if len(chunk) != 12 + length:
            raise ValueError("a chunk is cut short")
        if kind in _PNG_CHUNKS:
            parts.append(chunk)
        at += len(chunk)
    if orientation > 1:
        body = b"eXIf" + _exif(orientation)
        parts.insert(2, struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
    return b"".join(parts)


def _webp(data: bytes, orientation: int) -> bytes:
    chunks: list[tuple[bytes, bytes]] = []
    at, end = 12, 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise ValueError("the file is cut short")
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise ValueError("a chunk is cut short")
        if kind in _WEBP_CHUNKS:
            chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    if orientation > 1:
        chunks.append((b"EXIF", _exif(orientation)))
    body = b"".join(_webp_chunk(kind, payload, orientation > 1) for kind, payload in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _webp_chunk(kind: bytes, payload: bytes, has_exif: bool) -> bytes:
    if kind == b"VP8X":
        flags = payload[0] & ~0x0C | (0x08 if has_exif else 0)
        payload = bytes([flags]) + payload[1:]
    return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)


def _gif(data: bytes, orientation: int) -> bytes:
    if orientation > 1:
        raise ValueError("a GIF has no place for an orientation")
    at = 13 + _color_table(data[10])
    parts = [data[:at]]
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            stop = _after_blocks(data, at + 11 + _color_table(data[at + 9]))
            is_kept = True
        elif data[at] == 0x21:
            stop = _after_blocks(data, at + 2)
            label = data[at + 1]
            is_kept = label == 0xF9 or (label == 0xFF and data[at + 3 : at + 14] in _GIF_LOOPS)
        else:
            raise ValueError("no block where one is due")
        if is_kept:
            parts.append(data[at:stop])
        at = stop
    return b"".join([*parts, b"\x3b"])


def _color_table(flags: int) -> int:
    """Bytes of the color table that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Position behind a chain of sub-blocks."""
    while data[at]:
        at += 1 + data[at]
    return at + 1


_WALKS: dict[str, Callable[[bytes, int], bytes]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/webp": _webp,
    "image/gif": _gif,
}
