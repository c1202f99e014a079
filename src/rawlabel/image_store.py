"""The photos' bytes, stored under their own digest: one file an object, however often it was found."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from rawlabel.files import atomic_write, disk_errors

_EXTENSIONS = {"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp"}


class ImageStore:
    """A folder `ab/cd/<sha256><extension>`; names come from content, never from an address or a title."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._scratch = folder / "unfinished"

    def open_for_writing(self) -> None:
        """Make the store, and throw away what a killed process was writing."""
        with disk_errors(self.folder):
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch.mkdir(parents=True)

    def put(self, data: bytes) -> tuple[str, str]:
        """Store bytes unless they are there already; return their SHA-256 (hex) and media type.

        `open_for_writing` comes first.
        Raises `DiskError` when the disk refuses.
        """
        digest = hashlib.sha256(data).hexdigest()
        media_type = sniff_media_type(data)
        path = self.path(digest, media_type)
        if not path.exists():
            with atomic_write(path, self._scratch) as stream:
                stream.write(data)
        return digest, media_type

    def path(self, sha256: str, media_type: str) -> Path:
        """Where an object with this digest and media type lies."""
        return self.folder / sha256[:2] / sha256[2:4] / f"{sha256}{_EXTENSIONS.get(media_type, '.bin')}"


def sniff_media_type(data: bytes) -> str:
    """Media type by the first bytes (the server's word is not taken); `application/octet-stream` if unknown."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "application/octet-stream"
