"""What tarfile does not say of a tar file."""

from __future__ import annotations

import tarfile
from typing import IO


def refuse_cut(archive: tarfile.TarFile, stream: IO[bytes]) -> None:
    """Raise `tarfile.ReadError` unless `archive`, read to its last member, ends with its mark in `stream`.

    tarfile takes a cut at the edge of a member, and damage there, for the end.
    """
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("its end is missing")
