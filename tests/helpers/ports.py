"""Ports for servers that start later, or come back to their place."""

from __future__ import annotations

import atexit
import random
import socket
import sys

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below those that Linux, Windows and macOS give to outgoing connections, which would take a port in between."""


def free_port() -> int:
    """A port of this machine that nobody listens at, nor is given by chance until somebody does."""
    while True:
        port = random.SystemRandom().randrange(_LOWEST, _HIGHEST)
        one = socket.socket()
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            one.close()
            continue
        if sys.platform == "linux":
            # Bound by a socket that never listens, it is free for no test that runs beside this one, but for a
            # server that takes a port again, as all do that may come back to their place.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            atexit.register(one.close)
        else:
            one.close()
        return port
