"""Which files are images: formats, extensions and media types of the whole product, and a walk through folders.

A file's name decides whether it is read at all, its first bytes decide what it is. Names that begin with a dot
never count: they are what systems leave beside photos (`._photo.jpg` of macOS, `.ipynb_checkpoints`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class ImageFormat(NamedTuple):
    """One format that is read wherever images are."""

    pillow_name: str
    media_type: str
    extensions: tuple[str, ...]
    """Lower case, with the dot; the first is the one that is written."""


IMAGE_FORMATS = (
    ImageFormat("JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif")),
    ImageFormat("PNG", "image/png", (".png",)),
    ImageFormat("GIF", "image/gif", (".gif",)),
    ImageFormat("WEBP", "image/webp", (".webp",)),
    ImageFormat("BMP", "image/bmp", (".bmp",)),
    ImageFormat("TIFF", "image/tiff", (".tif", ".tiff")),
    ImageFormat("PPM", "image/x-portable-anymap", (".ppm", ".pgm", ".pbm", ".pnm")),
    ImageFormat("AVIF", "image/avif", (".avif",)),
)
"""What torchvision's ImageFolder reads, and more."""
IMAGE_EXTENSIONS = frozenset(extension for one in IMAGE_FORMATS for extension in one.extensions)
EXTENSION_OF_MEDIA_TYPE = {one.media_type: one.extensions[0] for one in IMAGE_FORMATS}

NO_EXTENSION = "without extension"
ELSEWHERE = "links to folders elsewhere"
SPECIAL = "pipes or devices"

_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
"""Sizes [bytes] of the second header of a BMP file, by version; "BM" alone begins many a text."""


def sniff_media_type(data: bytes) -> str:
    """Media type by the first bytes (the server's word is not taken); `application/octet-stream` if unknown."""
    starts = {
        b"\xff\xd8\xff": "image/jpeg",
        b"\x89PNG\r\n\x1a\n": "image/png",
        b"GIF87a": "image/gif",
        b"GIF89a": "image/gif",
        b"II*\0": "image/tiff",
        b"MM\0*": "image/tiff",
        b"II+\0": "image/tiff",
        b"MM\0+": "image/tiff",
    }
    for start, media_type in starts.items():
        if data.startswith(start):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "image/bmp"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3] in (b" ", b"\t", b"\n", b"\r", b"#"):
        return "image/x-portable-anymap"
    if data[4:8] == b"ftyp" and {b"avif", b"avis"} & _brands(data):
        return "image/avif"
    return "application/octet-stream"


def _brands(data: bytes) -> set[bytes]:
    """The brands that the first box of an ISO media file names (ISO/IEC 14496-12, section 4.3)."""
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    return {box[at : at + 4] for at in range(0, len(box), 4)}


def extension_of(name: str) -> str:
    """The extension of a file name in lower case with its dot; empty where there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def is_image_name(name: str, extra: frozenset[str] = frozenset()) -> bool:
    """Whether a file of this name is read as an image; `extra` are extensions beside the usual ones."""
    extension = extension_of(name)
    return not name.startswith(".") and (extension in IMAGE_EXTENSIONS or extension in extra)


class FolderImages(NamedTuple):
    """What lies below a folder."""

    files: list[tuple[str, os.DirEntry[str]]]
    """Path from the folder (with "/") and entry of each image, sorted by path."""
    ignored: Counter[str]
    """How many files are none, by extension (`NO_EXTENSION`, `ELSEWHERE`, `SPECIAL` for what has none)."""


def images_below(
    folder: str | Path, inside: str | Path | None = None, extra: frozenset[str] = frozenset()
) -> FolderImages:
    """List the image files of a folder and of the folders in it, however deep, without opening one.

    Links are followed, but not to a folder that holds the link, and, where `inside` is given, to no folder outside
    of it. `extra` are extensions of images beside the usual ones. Raises `OSError` that names what cannot be
    listed.
    """
    files: list[tuple[str, os.DirEntry[str]]] = []
    ignored: Counter[str] = Counter()
    limit = None if inside is None else os.path.realpath(inside)
    real = os.path.realpath(folder)
    waiting = [(os.fspath(folder), "", real, frozenset({real}))]
    while waiting:
        where, prefix, real, above = waiting.pop()
        with os.scandir(where) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    target = os.path.realpath(entry.path) if entry.is_symlink() else f"{real}{os.sep}{entry.name}"
                    if limit is not None and not Path(target).is_relative_to(limit):
                        ignored[ELSEWHERE] += 1
                    elif target not in above and not Path(real).is_relative_to(target):
                        waiting.append((entry.path, f"{prefix}{entry.name}/", target, above | {target}))
                elif not (entry.is_file() or entry.is_symlink()):
                    ignored[SPECIAL] += 1
                elif is_image_name(entry.name, extra):
                    files.append((prefix + entry.name, entry))
                else:
                    ignored[extension_of(entry.name) or NO_EXTENSION] += 1
    files.sort(key=lambda file: file[0])
    return FolderImages(files, ignored)


def describe_ignored(ignored: Mapping[str, int]) -> str:
    """The files that are no images in words, the most frequent first: `5 (3 .txt, 2 without extension)`."""
    ordered = sorted(ignored.items(), key=lambda item: (-item[1], item[0]))
    return f"{sum(ignored.values()):,} ({', '.join(f'{count:,} {what}' for what, count in ordered)})"
