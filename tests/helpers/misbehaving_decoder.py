"""What the processes run that decode for a server under test: as they do, but for bytes that hang or kill them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence

from rawlabel.gather.collect.engines.pixel_pool import Fault, Pixels, decode_all

SLOW, DEADLY = b"slow", b"deadly"


def decode_or_misbehave(photos: Sequence[bytes]) -> list[Pixels | Fault]:
    """As a decoder that meets a file nobody thought of."""
    if SLOW in photos:
        time.sleep(600)
    if DEADLY in photos:
        os.kill(os.getpid(), signal.SIGSEGV)
    return decode_all(photos)
