"""Stop between two steps, not in the middle of one, when Ctrl-C or SIGTERM asks for it.

Windows has no signal masks, and its event loops take no signal handlers; there Python's own handlers must do.
"""

from __future__ import annotations

import _thread
import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any, TypeVar

from rawlabel.errors import Interrupted

Result = TypeVar("Result")

_AGAIN_AFTER = 0.05
"""A signal that was dropped is sent again after so many seconds."""


def raise_on_stop() -> None:
    """From here on SIGTERM raises `Interrupted`, as Ctrl-C raises `KeyboardInterrupt`, and neither is lost.

    Where a handler happens to strike inside a finalizer or the callback of a weak reference, Python drops what it
    raises and prints a traceback; such a signal is sent again instead.
    """
    signal.signal(signal.SIGTERM, _raise)
    sys.unraisablehook = _send_again


def ignore_stops() -> None:
    """From here on nothing stops the process: all is done and said, and a traceback is all it could add."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _raise(signal_number: int, frame: FrameType | None) -> None:
    raise Interrupted(signal_number)


def _send_again(dropped: sys.UnraisableHookArgs) -> None:
    if isinstance(dropped.exc_value, Interrupted | KeyboardInterrupt):
        number = signal.Signals(getattr(dropped.exc_value, "signal_number", signal.SIGINT))
        timer = threading.Timer(_AGAIN_AFTER, _signal_main_thread, (number,))
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(dropped)


def _signal_main_thread(number: signal.Signals) -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(number)


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C, which reaches all processes of a terminal, for the block and the processes started in it.

    In this process it waits for the end of the block; in the others it stays blocked until they see to it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # The first process that is spawned brings along multiprocessing's tracker, whose start unblocks Ctrl-C.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_interrupts() -> None:
    """Undo what `interrupts_blocked` did to a process that was started in it."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def loop_signals(numbers: Sequence[int], act: Callable[[], object]) -> Iterator[None]:
    """Have the running event loop call `act` when one of the signals comes; the handlers of before come back.

    A handler that raises would strike in the middle of whatever the loop is doing instead.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            # asyncio leaves the system's own handler behind, not the one that was there.
            signal.signal(number, handler)


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


def run_until_stopped(main: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run` that ends on SIGTERM as it does on Ctrl-C: the task is cancelled, so it can tidy up.

    Raises `Interrupted` then.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(main)
    was_asked: list[bool] = []

    async def cancellable() -> Result:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            was_asked.append(True)
            task.cancel()

        with loop_signals([signal.SIGTERM], stop):
            return await main

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if was_asked:
            raise Interrupted(signal.SIGTERM) from None
        raise
