"""An image whose header claims a size that it has not."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def claiming(width: int, height: int) -> bytes:
    """A JPEG of one block whose header claims another size."""
    stream = BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "JPEG")
    data = bytearray(stream.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)
