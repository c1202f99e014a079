"""Stop between two steps, not in the middle of one, when Ctrl-C or SIGTERM asks for it.

Windows has no signal masks, and its event loops take no signal handlers; there Python's own handlers must do.
What only some need is imported where it is, since each command loads this, `rawlabel --help` among them.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import partial
from types import FrameType
from typing import Any, TypeVar

from rawlabel.base import processes
from rawlabel.errors import Interrupted

Result = TypeVar("Result")

_AGAIN_AFTER = 0.05
"""A signal that was dropped is sent again after so many seconds."""
_LOOK_EVERY = 0.2
"""How often the wait for a thread looks whether a signal has come [seconds]."""
_STOPS = (signal.SIGINT, signal.SIGTERM)
_FINISHING = "stopping as soon as what is under way is finished; the same again stops at once"
_asked: set[int] = set()
"""The signals that asked this process to stop, where the process is a command."""
_is_command = False
_is_sending_again = False
"""Whether the main thread is where what a handler raises would be dropped for good."""


def raise_on_stop() -> None:
    """For a command: SIGTERM raises `Interrupted`, as Ctrl-C raises `KeyboardInterrupt`, and neither is lost.

    The same signal again ends the process at once and without a traceback: what is on the disk is complete at any
    moment. Where a handler happens to strike inside a finalizer or the callback of a weak reference, Python drops
    what it raises and prints a traceback; such a signal is sent again instead.
    """
    global _is_command
    _is_command = True
    for number in _heeded():
        signal.signal(number, _raise)
    sys.unraisablehook = _send_again
    # Registered first, so called last: the interpreter then puts the system's own handlers back, but for these.
    atexit.register(_ignore_stops)


def let_end() -> None:
    """From here on nothing is raised: all is done and said, and a traceback is all it could add.

    The same signal again ends the process at once all the same, for a thread may still be at work.
    """
    for number in _heeded():
        signal.signal(number, lambda signal_number, frame: _note(signal_number))


def _ignore_stops() -> None:
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


def _heeded() -> list[signal.Signals]:
    """Those that are not ignored; a shell has Ctrl-C ignored by what it starts in the background."""
    return [number for number in _STOPS if signal.getsignal(number) is not signal.SIG_IGN]


def _raise(signal_number: int, frame: FrameType | None) -> None:
    if _is_sending_again and _send_later(signal_number):
        return
    _note(signal_number)
    if signal_number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Interrupted(signal_number)


def _note(signal_number: int) -> None:
    """Remember a signal; a command that it asked to stop before ends here."""
    if not _is_command:
        return
    if signal_number in _asked:
        # Nothing that Python would do on its way out is of use, and any of it may print a traceback.
        _say("stopped at once; the same command goes on from what is on the disk", is_last=True)
        os._exit(128 + signal_number)
    _asked.add(signal_number)


def _say(message: str, *, is_last: bool = False) -> None:
    """Write a line from within a signal handler, where streams and locks may be in use."""
    if not (_is_command and processes.is_speaker()):
        return
    is_terminal = os.isatty(2)
    # A progress bar leaves its line unfinished, and the cursor hidden.
    text = (
        ("\n" if is_terminal else "") + f"rawlabel: {message}\n" + ("\x1b[?25h" if is_terminal and is_last else "")
    )
    with suppress(OSError):
        os.write(2, text.encode())


def _send_again(dropped: sys.UnraisableHookArgs) -> None:
    global _is_sending_again
    if not isinstance(dropped.exc_value, Interrupted | KeyboardInterrupt):
        sys.__unraisablehook__(dropped)
        return
    number: int = getattr(dropped.exc_value, "signal_number", signal.SIGINT)
    _is_sending_again = True
    try:
        # Where it cannot be sent again it counts as the first, so that the same signal again ends the process.
        if _send_later(number):
            _asked.discard(number)
    finally:
        _is_sending_again = False


def _send_later(number: int) -> bool:
    """Whether a thread could be started that sends the signal again.

    `threading` would take locks, which the main thread may hold where it was struck.
    """
    try:
        _thread.start_new_thread(_signal_main_thread, (number,))
    except RuntimeError:
        return False
    return True


def _signal_main_thread(number: int) -> None:
    time.sleep(_AGAIN_AFTER)
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C, which reaches all processes of a terminal, for the block and the processes started in it.

    In this process it waits for the end of the block; in the others it stays blocked until they see to it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

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
    import asyncio

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
    """Hold back Ctrl-C and SIGTERM for the block and say so; the same one again ends it at once.

    Outside the main thread, where Python sets no handlers, nothing is held back.
    """
    request = StopRequest()

    def note(signal_number: int, frame: FrameType | None) -> None:
        _note(signal_number)
        if request.signal_number == signal_number:
            raise Interrupted(signal_number)
        if not request:
            request.signal_number = signal_number
            _say(_FINISHING)

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, note) for number in _heeded()}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_stopped(main: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run` that Ctrl-C and SIGTERM end alike: the task is cancelled, so it can tidy up.

    Raises `KeyboardInterrupt` or `Interrupted` then. Where a loop is running already, as in a notebook, it waits
    for another one, in a thread.
    """
    import asyncio

    if _is_in_loop():
        return _run_in_thread(main)
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(main)
    asked: list[int] = []

    async def cancellable() -> Result:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop(signal_number: int, frame: FrameType | None) -> None:
            _note(signal_number)
            if not asked:
                _say(_FINISHING)
            asked.append(signal_number)
            # The task may be at work just now, or the loop asleep.
            loop.call_soon_threadsafe(task.cancel)

        before = {number: signal.signal(number, stop) for number in _heeded()}
        try:
            return await main
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if not asked:
            raise
        if asked[0] == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise Interrupted(asked[0]) from None


def _is_in_loop() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_in_thread(main: Coroutine[Any, Any, Result]) -> Result:
    """The same in a loop and a thread of its own; what stops the wait cancels the task, and is raised again."""
    import asyncio
    from concurrent.futures import Future

    done: Future[Result] = Future()
    begun: Future[Callable[[], object]] = Future()
    ended = threading.Event()

    async def cancellable() -> Result:
        task = asyncio.current_task()
        assert task is not None
        begun.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel))
        return await main

    def run() -> None:
        try:
            done.set_result(asyncio.run(cancellable()))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)
        finally:
            ended.set()

    thread = threading.Thread(target=copy_context().run, args=(run,), name="rawlabel")
    thread.start()
    stopped: KeyboardInterrupt | Interrupted | None = None
    while not ended.is_set():
        try:
            # In short waits, which a signal can end everywhere; `join` would take the thread for ended then.
            ended.wait(_LOOK_EVERY)
        except (KeyboardInterrupt, Interrupted) as signal_raised:
            stopped = signal_raised
            begun.result()()
    thread.join()
    if stopped is not None:
        raise stopped
    return done.result()
