"""What lies in a folder."""

from __future__ import annotations

from pathlib import Path


def files_of(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    """The content of each file under `folder` whose name fits, by its path from there, in the paths' order."""
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
