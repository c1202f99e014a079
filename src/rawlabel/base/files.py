"""Write files so that a reader sees the old one or the whole new one, never half of one."""

from __future__ import annotations

import errno
import io
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from rawlabel.base import processes
from rawlabel.errors import DataError, DiskError

_UMASK = threading.Lock()
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EINVAL}
"""What file systems answer that cannot lock a file, such as some of other machines."""
_MOMENT = 0.5
"""Seconds after which a lock is held by somebody who means to keep it."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write `path` into a `DiskError` that names it and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            message = f"{path}: the disk is full; free some space and run the same command again"
        else:
            message = f"{path}: cannot be written ({error.strerror}); check the folder and its permissions"
        raise DiskError(message) from error


@contextmanager
def atomic_write(path: Path, scratch: Path | None = None) -> Iterator[IO[bytes]]:
    """Yield a binary file that takes the name `path` only when the block ends without an error.

    The bytes are on the disk before the name is (fsync, then rename), so a crash leaves the old file.
    Until then they lie in `scratch` (beside `path` by default), which must be on the same disk. Raises
    `DiskError` when the disk refuses. In a run of several processes, the bytes of all but the first are dropped.
    """
    if not processes.is_first():
        yield io.BytesIO()
        return
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=scratch or path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            # mkstemp makes files private; artifacts are shared like any other file of the user's.
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_write(path) as stream:
        stream.write((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file; raises `DataError` that names the file and says that it should hold `what`."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; it should hold {what}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); it should hold {what}") from error
    except ValueError as error:
        raise DataError(f"{path}: is not valid JSON ({error}); it should hold {what}") from error


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file `path`, without taking it away from anybody.

    A file system without locks, and a file that is not there, hold nothing. Raises `DiskError`.
    """
    with disk_errors(path):
        try:
            lock = FileLock(path, fallback_to_soft=False)
            if not path.exists():
                return False
            lock.acquire(blocking=False)
        except Timeout:
            return True
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        lock.release()
    return False


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` for the block, and say whether it is ours; false when another process has it.

    The system lets go of it when the process ends, however that ends. A file system without locks holds nothing.
    Raises `DiskError`.
    """
    lock = FileLock(path, fallback_to_soft=False)
    with disk_errors(path):
        try:
            # Whoever only asks whether it is held has it for a moment.
            lock.acquire(timeout=_MOMENT, poll_interval=_MOMENT / 50)
        except Timeout:
            yield False
            return
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    try:
        yield True
    finally:
        if lock.is_locked:
            # Whoever waits for the file that is gone sees that it is; Windows keeps it until it is let go.
            with suppress(OSError):
                path.unlink()
            lock.release()


def _umask() -> int:
    # It can be read only by changing it, and two threads that do so at once could leave it changed.
    with _UMASK:
        current = os.umask(0o022)
        os.umask(current)
    return current
