"""An S3 service and an FTP server on loopback, each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.ports import free_port

KEYS = {"AWS_ACCESS_KEY_ID": "key-4711", "AWS_SECRET_ACCESS_KEY": "secret-4711", "AWS_DEFAULT_REGION": "us-east-1"}
FTP_USER, FTP_PASSWORD = "collector", "password-4711"

_FTP = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
folder, port, user, password = sys.argv[1:]
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user(user, password, folder, perm="elradfmwMT")
FTPServer(("127.0.0.1", int(port)), FTPHandler).serve_forever()
"""


@contextmanager
def s3_service() -> Iterator[str]:
    """Address of an S3 service; who talks to it needs `KEYS` and AWS_ENDPOINT_URL in the environment."""
    port = free_port()
    with _process(port, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def ftp_server(folder: Path) -> Iterator[str]:
    """Host and port of an FTP server that serves `folder`."""
    port = free_port()
    with _process(port, "-W", "ignore", "-c", _FTP, str(folder), str(port), FTP_USER, FTP_PASSWORD):
        yield f"127.0.0.1:{port}"


@contextmanager
def _process(port: int, *arguments: str) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, *arguments], stdout=quiet, stderr=quiet, env=dict(os.environ)) as one:
        try:
            # For what hangs: a busy machine takes its time to load what the servers are made of.
            deadline = time.monotonic() + 240
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert one.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
            yield
        finally:
            one.terminate()
