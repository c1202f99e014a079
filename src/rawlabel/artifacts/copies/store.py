"""Fingerprints kept in a project, by the SHA-256 of their files: a picture is decoded for them once.

Piece by piece, as features are: `<name>.npy`, records, and `<name>.keys.npy`, the digests [pictures, 32], which is
written last. Pieces are only ever added, under names that follow from their keys, so a killed process loses one
piece, and two processes that examine the same pictures write the same. Records are mapped from the disk, so memory
holds those alone that are asked for. The folder, one a version, may be deleted at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import THUMBNAIL_SIDE, VERSION, Fingerprint
from rawlabel.artifacts.copies.table import Fingerprints
from rawlabel.base.files import atomic_write

PIECE = 512
"""Pictures of one piece; what a kill loses at most."""
_KEYS = ".keys.npy"
_DIGEST = ("u1", (32,))
_RECORD = np.dtype(
    [
        ("pixels", *_DIGEST),
        ("hash", *_DIGEST),
        ("mirrored", *_DIGEST),
        ("trimmed", *_DIGEST),
        ("quality", "u1"),
        ("width", "<u4"),
        ("height", "<u4"),
        ("thumbnail", "u1", (THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3)),
    ]
)


def fingerprints_folder(project: Path) -> Path:
    """Where a project keeps its fingerprints of this version."""
    return project / "fingerprints" / f"v{VERSION}"


class FingerprintStore:
    """The fingerprints in a folder, those that were there when it was opened and those that were added since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces: list[npt.NDArray[np.void]] = []
        self._places: dict[bytes, tuple[int, int]] = {}
        for path in sorted(folder.glob(f"*{_KEYS}")):
            keys = _read(path, np.dtype("u1"))
            records = _read(path.with_name(path.name.removesuffix(_KEYS) + ".npy"), _RECORD)
            if keys is not None and records is not None and keys.shape == (len(records), 32):
                self._take(keys, records)

    def __contains__(self, digest: str) -> bool:
        """Whether the file with this SHA-256 (hex) has a fingerprint here."""
        return bytes.fromhex(digest) in self._places

    def add(self, found: dict[str, Fingerprint]) -> None:
        """Keep the fingerprints of some files by their SHA-256 (hex). Raises `DiskError`."""
        if not found:
            return
        keys = np.frombuffer(bytes.fromhex("".join(found)), dtype=np.uint8).reshape(-1, 32)
        table, records = Fingerprints.of(list(found.values())), np.zeros(len(found), dtype=_RECORD)
        for name in _RECORD.names or ():
            records[name] = getattr(table, name)
        piece = self._folder / hashlib.sha256(keys.tobytes()).hexdigest()[:24]
        for path, array in ((piece.with_suffix(".npy"), records), (piece.with_suffix(_KEYS), keys)):
            with atomic_write(path) as stream:
                np.save(stream, array)
        kept = _read(piece.with_suffix(".npy"), _RECORD)
        self._take(keys, records if kept is None else kept)

    def fingerprints(self, digests: Sequence[str]) -> Iterator[Fingerprint]:
        """The fingerprints of files by their SHA-256 (hex), one by one, in that order; `KeyError` as `table`."""
        one = self.table(digests)
        for row in range(len(one)):
            is_bordered = bool((one.hash[row] != one.trimmed[row]).any())
            yield Fingerprint(
                pixels=bytes(one.pixels[row]),
                hash=bytes(one.hash[row]),
                mirrored=bytes(one.mirrored[row]),
                trimmed=bytes(one.trimmed[row]) if is_bordered else None,
                quality=int(one.quality[row]),
                width=int(one.width[row]),
                height=int(one.height[row]),
                thumbnail=one.thumbnail[row],
            )

    def table(self, digests: Sequence[str]) -> Fingerprints:
        """The fingerprints of files by their SHA-256 (hex), in that order. Raises `KeyError` for one without."""
        places = np.array([self._places[bytes.fromhex(one)] for one in digests], dtype=np.int64).reshape(-1, 2)
        records = np.zeros(len(places), dtype=_RECORD)
        for number in np.unique(places[:, 0]).tolist():
            chosen = np.flatnonzero(places[:, 0] == number)
            records[chosen] = self._pieces[number][places[chosen, 1]]
        numbers = {name: records[name].astype(np.int64) for name in ("quality", "width", "height")}
        return Fingerprints(**{name: numbers.get(name, records[name]) for name in _RECORD.names or ()})

    def _take(self, keys: npt.NDArray[np.uint8], records: npt.NDArray[np.void]) -> None:
        for row, key in enumerate(keys):
            self._places[key.tobytes()] = len(self._pieces), row
        self._pieces.append(records)


def _read(path: Path, kind: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """The array in a file, records mapped; None where there is none, or not what was written."""
    try:
        array = np.load(path, mmap_mode="r" if kind == _RECORD else None, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.dtype == kind else None
