"""Processes that start with a fresh interpreter, or from a server, and leave the user's own script alone.

`multiprocessing` runs the script that began it all in each process that it spawns, to find its functions there.
A script that collects without an `if __name__ == "__main__"` would collect once more in each of its own workers,
and a notebook has no script at all. Nothing that is run here is defined in one.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess
from typing import Any
from weakref import WeakSet

_starting = threading.Lock()


@contextmanager
def _unnamed_script() -> Iterator[None]:
    """Hide where the script lies, which is how `multiprocessing.spawn` would have it run again."""
    script = sys.modules["__main__"]
    with _starting:
        hidden: dict[str, object] = {
            name: vars(script).pop(name) for name in ("__spec__", "__file__") if name in vars(script)
        }
        script.__spec__ = None
        try:
            yield
        finally:
            vars(script).update(hidden)


class _Process(SpawnProcess):
    """A spawned process that does not run the script again."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _unnamed_script():
            return SpawnProcess._Popen(process_obj)


class ScriptlessContext(SpawnContext):
    """As `multiprocessing.get_context("spawn")`, with such processes, which it can end."""

    def __init__(self) -> None:
        super().__init__()
        self._started: WeakSet[_Process] = WeakSet()

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override]
        """A process that does not run the script again; the arguments are those of `multiprocessing.Process`."""
        process = _Process(*arguments, **named)
        self._started.add(process)
        return process

    def kill_all(self) -> None:
        """End all processes at once, those that have not come to run anything yet, too."""
        for process in tuple(self._started):
            if process.pid is not None:
                process.kill()
                process.join()


def spawn_context() -> ScriptlessContext:
    """A context of `multiprocessing` whose processes are spawned and import what they run, and nothing else.

    What they run is a function of an importable module; one of the script itself cannot be found there.
    """
    return ScriptlessContext()


class _ForkServerProcess(ForkServerProcess):
    """A process forked from the server that does not run the script again."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _unnamed_script():
            return ForkServerProcess._Popen(process_obj)


class _ForkServerContext(ForkServerContext):
    """As `multiprocessing.get_context("forkserver")`, with such processes."""

    Process = _ForkServerProcess


def forkserver_context(preloaded: Sequence[str] = ()) -> ForkServerContext:
    """A context whose processes are forked, in milliseconds, from a server that has imported `preloaded`.

    What they run is importable, as for `spawn_context`. The first process that is started starts the server.
    """
    context = _ForkServerContext()
    if preloaded:
        context.set_forkserver_preload(list(preloaded))
    return context
