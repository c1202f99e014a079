"""Ports for servers that start later, or come back to their place."""

from __future__ import annotations

import os
import random
import socket

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below those that Linux, Windows and macOS give to outgoing connections, which would take a port in between."""
_given: set[int] = set()


def free_port() -> int:
    """A port of this machine that nobody listens at, nor is given by chance until somebody does.

    None is given twice: what it was given for may not listen yet, or not just now. Each process of one run of the
    tests has ports of its own for the same reason.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = range(_LOWEST + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), _HIGHEST, processes)
    while True:
        port = random.SystemRandom().choice(own)
        if port in _given:
            continue
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
