"""Ports for servers that start later, or come back to their place."""

from __future__ import annotations

import random
import socket

_LOWEST, _HIGHEST = 20_000, 32_000
"""Below those that Linux, Windows and macOS give to outgoing connections, which would take a port in between."""


def free_port() -> int:
    """A port of this machine that nobody listens at, nor is given by chance until somebody does."""
    while True:
        port = random.SystemRandom().randrange(_LOWEST, _HIGHEST)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
