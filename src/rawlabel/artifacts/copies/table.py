"""The fingerprints of many pictures, side by side in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.copies.fingerprint import (
    BITS,
    LEAST_QUALITY,
    SMALL_SIDE,
    THUMBNAIL_SIDE,
    Fingerprint,
)

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Fingerprints, a row a picture, in the order in which they were given."""

    pixels: Bytes
    """[pictures, 32], SHA-256 of size and upright RGB pixels."""
    hash: Bytes
    """[pictures, 32]."""
    mirrored: Bytes
    """[pictures, 32], the hash of the mirror image."""
    trimmed: Bytes
    """[pictures, 32], the hash without uniform borders; `hash` again where there are none."""
    quality: npt.NDArray[np.int64]
    """[pictures], from 0 (flat) to 100."""
    width: npt.NDArray[np.int64]
    height: npt.NDArray[np.int64]
    thumbnail: Bytes
    """[pictures, 32, 32, 3]; may lie on a disk."""

    @classmethod
    def of(cls, fingerprints: Sequence[Fingerprint]) -> Fingerprints:
        """The table of a sequence of fingerprints, in its order."""

        def packed(parts: Sequence[bytes]) -> Bytes:
            return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(len(parts), BITS // 8)

        side = THUMBNAIL_SIDE
        return cls(
            pixels=packed([one.pixels for one in fingerprints]),
            hash=packed([one.hash for one in fingerprints]),
            mirrored=packed([one.mirrored for one in fingerprints]),
            trimmed=packed([one.trimmed or one.hash for one in fingerprints]),
            quality=np.array([one.quality for one in fingerprints], dtype=np.int64),
            width=np.array([one.width for one in fingerprints], dtype=np.int64),
            height=np.array([one.height for one in fingerprints], dtype=np.int64),
            thumbnail=np.array([one.thumbnail for one in fingerprints], np.uint8).reshape(-1, side, side, 3),
        )

    def __len__(self) -> int:
        return len(self.hash)

    def select(self, rows: npt.NDArray[np.int64]) -> Fingerprints:
        """The table of the pictures at `rows`, in that order."""
        return Fingerprints(*(getattr(self, one.name)[rows] for one in fields(self)))

    @property
    def is_small(self) -> npt.NDArray[np.bool_]:
        """Of which pictures the hash alone tells too little, since they are so small."""
        return np.minimum(self.width, self.height) <= SMALL_SIDE

    @property
    def is_telling(self) -> npt.NDArray[np.bool_]:
        """In which pictures there is enough to see for a hash."""
        return self.quality >= LEAST_QUALITY

    @property
    def is_bordered(self) -> npt.NDArray[np.bool_]:
        """Which of the pictures have uniform borders, [pictures]."""
        return np.asarray((self.hash != self.trimmed).any(axis=1))
