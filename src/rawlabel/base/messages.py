"""What is said beside results: messages of the logger `rawlabel`, which a program may route or silence.

The command line shows them on the standard error (`on_stderr`), and so does `build` in Python, which leaves a
program's own log what it would get anyway; elsewhere they go where `logging` is told to put them: warnings to the
standard error by default, and the rest nowhere.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("rawlabel")
COMMAND = "rawlabel: "
"""What the command line writes before what a person should act on, errors among it."""


def inform(text: str, *, lead: str = "") -> None:
    """Say what is going on; the command line writes `lead` before it."""
    logger.info("%s", text, extra={"lead": lead})


def note(text: str) -> None:
    """Say something that a person should know and that ends nothing."""
    inform(text, lead="note: ")


def warn(text: str, *, lead: str = COMMAND) -> None:
    """Say that something is not as it was asked for, or that there is something to do about it."""
    logger.warning("%s", text, extra={"lead": lead})


def detail(text: str, *, with_traceback: bool = False) -> None:
    """Say what only somebody who looks for a fault wants to know (`--verbose`)."""
    logger.debug("%s", text, exc_info=with_traceback)


class _Line(logging.Formatter):
    def __init__(self, is_timed: bool) -> None:
        super().__init__("%(asctime)s %(lead)s%(message)s" if is_timed else "%(lead)s%(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        record.lead = getattr(record, "lead", "")
        return super().format(record)


class _StandardError(logging.Handler):
    """Writes to what is the standard error at the moment, which a bar or a log file may have taken over."""

    def emit(self, record: logging.LogRecord) -> None:
        stream: Any = sys.stderr
        stream.write(f"{self.format(record)}\n")


class _LogOfProgram(logging.Handler):
    """Hands messages to the root logger's handlers, but those that write to the standard error as well."""

    def emit(self, record: logging.LogRecord) -> None:
        for handler in logging.getLogger().handlers:
            is_beside = getattr(handler, "stream", None) not in (sys.stderr, sys.__stderr__)
            if is_beside and record.levelno >= handler.level:
                handler.handle(record)


@contextmanager
def on_stderr(level: int = logging.INFO, *, is_timed: bool = False) -> Iterator[None]:
    """Show the messages from `level` on as lines of the standard error, within the block."""
    handler, before, propagates = _StandardError(), logger.level, logger.propagate
    handler.setFormatter(_Line(is_timed))
    handler.setLevel(level)
    logger.addHandler(handler)
    logger.setLevel(level)
    # A library that logs by the root logger (onnxruntime does) gives it a handler, which would say all again.
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = propagates


@contextmanager
def on_stderr_unless_routed(level: int = logging.INFO) -> Iterator[None]:
    """As `on_stderr`, but for a program that has said which messages go where: then they go there.

    Where it has a log that takes just some of them, as warnings after `logging.basicConfig(filename=...)`, those
    go there too, and all are shown on the standard error, each once.
    """
    if logger.level != logging.NOTSET or (logger.isEnabledFor(level) and logger.hasHandlers()):
        yield
        return
    log = _LogOfProgram(logger.getEffectiveLevel())
    if logger.propagate:
        logger.addHandler(log)
    try:
        with on_stderr(level):
            yield
    finally:
        logger.removeHandler(log)
