"""One run made by several processes: which of them this is, which of them writes and speaks, and how they end.

`torchrun` tells each process its place by environment variables. They count only once the run has been joined
(`rawlabel.base.distributed`): from then on the first process alone writes files and shows progress, and after a
failure one process alone says what was wrong.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
KILL: signal.Signals = getattr(signal, "SIGKILL", signal.SIGTERM)
"""The signal that no process can refuse; Windows knows none, and ends a process at once on SIGTERM."""


@dataclass
class _State:
    is_joined: bool = False
    is_speaker: bool | None = None


_state = _State()


def count() -> int:
    """Processes of the run on all machines, as torchrun says (`WORLD_SIZE`); 1 without it."""
    return max(1, _number("WORLD_SIZE", 1))


def rank() -> int:
    """Number of this process among all of the run, from 0, as torchrun says (`RANK`); 0 without it."""
    return _number("RANK", 0) if count() > 1 else 0


def local_count() -> int:
    """Processes of the run on this machine, as torchrun says (`LOCAL_WORLD_SIZE`); 1 without it."""
    return max(1, _number("LOCAL_WORLD_SIZE", 1)) if count() > 1 else 1


def local_rank() -> int:
    """Number of this process on its machine, from 0."""
    return _number("LOCAL_RANK", 0) if count() > 1 else 0


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def own_cores() -> int:
    """Processor cores of this process's own: those of the machine are shared evenly by the run's processes."""
    return max(1, cores() // local_count())


@contextmanager
def own_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads, one a core, that are not waited for when the work is stopped."""
    with ThreadPoolExecutor(own_cores()) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def join() -> None:
    """From now on this process is one of several."""
    _state.is_joined = True


def is_first() -> bool:
    """Whether this process writes files and shows progress; one on its own always does."""
    return not _state.is_joined or rank() == 0


def let_speak(is_speaker: bool) -> None:
    """Settle, after a failure, whether this is the process that says what was wrong."""
    _state.is_speaker = is_speaker


def is_speaker() -> bool:
    """Whether to say what was wrong. Until that is settled, one process of each machine does."""
    return local_rank() == 0 if _state.is_speaker is None else _state.is_speaker


def end_with_parent(parent: int, signal_number: signal.Signals) -> None:
    """Have this process get a signal when the process `parent` ends, however that ends; on Linux alone.

    Exits at once if it has ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal_number)
    if parent != os.getppid():
        # It ended before the system was told.
        os._exit(1)


def _number(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else default
