"""What a decoding process does with the bytes of photos. Nothing else of the package is needed there.

The process is expendable: it may run out of the memory that it is allowed, or be ended from outside when a photo
takes too long (`rawlabel.gather.collect.engines.decode_pool`).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import cv2
import psutil
from PIL import Image

from rawlabel.artifacts.image_check import Decoded, decode_image
from rawlabel.base import processes
from rawlabel.records import Reason

STORED_QUALITY = 95
"""JPEG quality of photos that are resized on arrival."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found in a file from a stranger."""

    sha256: str
    """Hex digest of the bytes as they came."""
    decoded: Decoded
    resized: bytes | None = None
    """The picture as a JPEG of the wanted size; None when none was wanted, or there is no picture."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a decoding process may use."""

    megabytes: int
    """Memory beyond what the process has when it starts; Linux and FreeBSD can hold it to that, others cannot."""
    max_megapixels: float
    resize: int | None = None
    """Shorter side of the pictures in `Examined.resized` [pixels]; smaller pictures keep their size."""


_limits = WorkerLimits(1024, 64.0)

DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, struct.error,
          zlib.error)  # fmt: skip
"""What else the readers of single formats let out, when a file is damaged in some way they did not think of."""


def start_worker(limits: WorkerLimits) -> None:
    """Make the process ready: its limits, and an end of its own when the process that wants the photos ends."""
    global _limits
    _limits = limits
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent := multiprocessing.parent_process():
        processes.end_with_parent(parent.pid or 0, processes.KILL)
    own = psutil.Process()
    if hasattr(own, "rlimit"):
        most = own.memory_info().vms + limits.megabytes * 1_000_000
        own.rlimit(psutil.RLIMIT_AS, (most, most))
    # The pool has a process for each core already.
    cv2.setNumThreads(0)
    # Damaged files have much to warn of.
    warnings.simplefilter("ignore")


def own_limits() -> WorkerLimits:
    """Memory and pixels that this process may use, as it was told at its start."""
    return _limits


def examine_all(photos: Sequence[bytes]) -> list[Examined]:
    """Examine several photos in one go, which saves on the way between processes."""
    return [examine(photo) for photo in photos]


def examine(data: bytes) -> Examined:
    """Decode one photo in full, fingerprint it, and resize it where that is wanted."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        decoded, picture = decode_image(data, _limits.max_megapixels)
        if picture is not None and not has_end(data):
            return Examined(digest, Decoded(Reason.TRUNCATED))
        resized = None if picture is None or _limits.resize is None else _resized(picture, _limits.resize)
    except (MemoryError, cv2.error):
        return Examined(digest, Decoded(Reason.DECODE_LIMIT))
    except DAMAGE:
        return Examined(digest, Decoded(Reason.TRUNCATED))
    return Examined(digest, decoded, resized)


def unexamined(data: bytes, reason: Reason) -> Examined:
    """What is known of a photo that no process survived."""
    return Examined(hashlib.sha256(data).hexdigest(), Decoded(reason))


def has_end(data: bytes) -> bool:
    """Whether a JPEG's picture data has its end-of-image marker; true for all other formats.

    Decoders are content with a file that lacks only its last bytes. Neither marker can occur inside the picture's
    data, so an end marker behind the last start of a scan is that of the picture and not of a thumbnail.
    """
    return not data.startswith(b"\xff\xd8") or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _resized(picture: Image.Image, shorter_side: int) -> bytes:
    scale = shorter_side / min(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        # The mean over the area that becomes a pixel; Pillow's own pixels spare two copies on the way.
        picture = picture.resize(size, Image.Resampling.BOX)
    stream = BytesIO()
    # Without what the file says about itself (EXIF, color profile, comments), which Pillow would take along.
    picture.info = {}
    picture.save(stream, "JPEG", quality=STORED_QUALITY)
    return stream.getvalue()
