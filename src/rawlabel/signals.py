"""Stop between two steps, not in the middle of one: Ctrl-C and SIGTERM as a question that a loop asks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rawlabel.errors import Interrupted


class StopRequest:
    """Whether the process was asked to stop, and by which signal."""

    signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def obey(self) -> None:
        """Raise `Interrupted`; call it when all that matters is on disk."""
        raise Interrupted(self.signal_number or signal.SIGINT)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Hold back Ctrl-C and SIGTERM for the block; a second one ends it at once.

    Outside the main thread, where Python sets no handlers, nothing is held back.
    """
    request = StopRequest()

    def note(signal_number: int, frame: FrameType | None) -> None:
        if request:
            raise Interrupted(signal_number)
        request.signal_number = signal_number

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
