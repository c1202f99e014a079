"""What workers run in place of decoding, in tests; all imports of ours are inside functions, as in the worker."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

SLOW, GREEDY, DEADLY = b"slow", b"greedy", b"deadly"


def hang(photos: list[bytes]) -> list[Any]:
    time.sleep(600)
    return []


def loaded(photos: list[bytes]) -> list[Any]:
    from rawlabel.gather.collect.engines.image_worker import Decoded, Examined

    names = [name for name in ("torch", "aiohttp", "pyarrow", "pydantic", "matplotlib") if name in sys.modules]
    return [Examined(repr(names), Decoded()) for _ in photos]


def misbehave(photos: list[bytes]) -> list[Any]:
    from rawlabel.gather.collect.engines.image_worker import Decoded, Examined, Reason

    found = []
    for photo in photos:
        reason = None
        if photo == SLOW:
            time.sleep(600)
        elif photo == DEADLY:
            os.kill(os.getpid(), signal.SIGSEGV)
        elif photo == GREEDY:
            try:
                bytearray(3_000_000_000)
            except MemoryError:
                reason = Reason.DECODE_LIMIT
        found.append(Examined(photo.decode(), Decoded(reason)))
    return found
