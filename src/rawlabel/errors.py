"""Every error that a user can cause or meet, as one tree.

::

    RawlabelError            one line that names the thing and the remedy; exit code 2
    ├── ConfigError          a configuration file, key or flag is wrong
    ├── ClassFileError       the file of classes and keywords is wrong
    ├── DataError            a data set, manifest or image folder is missing or does not fit
    ├── SourceError          a photo site refuses or cannot be reached
    ├── CheckpointError      a checkpoint is damaged or belongs to another run
    ├── PluginError          no plug-in has this name
    ├── ProcessLost          another process of the same run has ended
    └── DiskError            the disk is full or refuses to be written

    Interrupted              not a fault: the user or the system asked to stop (exit code 130 or 143)

A message is one sentence that names the file, flag or class, followed by what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST_NAMES = 20
"""Names that are listed where none is near: a library of networks has a thousand."""


class RawlabelError(Exception):
    """Base of all errors that are shown as one line, without a traceback."""

    exit_code = 2


class ConfigError(RawlabelError):
    """A configuration file, key or flag is wrong."""


class ClassFileError(RawlabelError):
    """The file of classes and keywords is missing, empty or malformed."""


class DataError(RawlabelError):
    """A data set, manifest or image folder is missing, empty or does not fit."""


class SourceError(RawlabelError):
    """A photo site refuses, fails for good, or cannot be reached."""


class CheckpointError(RawlabelError):
    """A checkpoint is damaged or belongs to another run."""


class PluginError(RawlabelError):
    """No plug-in of that family has this name."""


class ProcessLost(RawlabelError):
    """Another process of the same run has ended or does not answer."""


class DiskError(RawlabelError):
    """The disk is full or refuses to be written."""


class Interrupted(SystemExit):
    """The process was asked to stop by a signal; what is on disk is complete and can be resumed.

    Derives from `SystemExit`, which no handler of ordinary errors swallows and which asyncio lets through.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(128 + signal_number)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number


def first_error(errors: BaseExceptionGroup[RawlabelError]) -> RawlabelError:
    """The first of the errors that stopped tasks working side by side, however deep it lies."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RawlabelError)
    return error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or (some of) what is known when none is."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f"; known: {', '.join(names[:_MOST_NAMES])}{more}" if names else ""
