"""The pixels of single photos from strangers, decoded in the same expendable processes as those of a collection.

What decodes is what training and prediction decode with, so a photo that passes is seen as they see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from rawlabel.base.image_header import NotDecodable, refuse_large
from rawlabel.base.image_pixels import decode_upright
from rawlabel.gather.collect.engines import image_worker
from rawlabel.gather.collect.engines.decode_pool import Work, WorkerPool
from rawlabel.gather.collect.engines.image_worker import WorkerLimits

Pixels = npt.NDArray[np.uint8]
"""[height, width, 3], RGB, upright."""
Fault = tuple[str, str | None]
"""Why there are no pixels, as what follows the name of an image, and what to do about it."""
_BEYOND = "takes too much time or memory to decode"
_REMEDY = "save it again with another program"


def decode_all(photos: Sequence[bytes]) -> list[Pixels | Fault]:
    """What a process does: the pixels of each photo, or why it has none."""
    return [_decode(photo) for photo in photos]


def _decode(photo: bytes) -> Pixels | Fault:
    stored = np.frombuffer(photo, dtype=np.uint8)
    try:
        formats = refuse_large(stored, image_worker.own_limits().max_megapixels)
        return decode_upright(stored, cv2.IMREAD_COLOR_RGB, formats)
    except NotDecodable as error:
        return str(error), error.remedy
    except (MemoryError, cv2.error):
        return _BEYOND, _REMEDY
    except (ValueError, *image_worker.DAMAGE):
        return str(NotDecodable()), None


def _lost(photo: bytes) -> Fault:
    return _BEYOND, _REMEDY


class PixelPool(WorkerPool[Pixels | Fault]):
    """Decodes photos one by one in processes of limited memory and time; use it as an async context manager.

    A photo that costs its process is not tried again, and those beside it go on.
    """

    def __init__(
        self,
        *,
        max_megapixels: float,
        megabytes: int,
        seconds: float,
        workers: int = 2,
        decode: Callable[[Sequence[bytes]], list[Pixels | Fault]] = decode_all,
    ) -> None:
        limits = WorkerLimits(megabytes, max_megapixels)
        work = Work(decode, _lost, most_in_batch=1, tries=0)
        super().__init__(work, limits, workers=workers, seconds=seconds)

    async def pixels(self, photo: bytes) -> Pixels:
        """Pixels [height, width, 3] of an image file. Raises `NotDecodable`, and `DataError` as `work_on`."""
        found = await self.work_on(photo)
        if isinstance(found, tuple):
            raise NotDecodable(*found)
        return found
