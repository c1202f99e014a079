"""Features that a training kept of a project's photos, by the SHA-256 of their files, a block at a time.

Their files (`rawlabel.artifacts.feature_files`) are mapped from the disk, so memory holds a block alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rawlabel.artifacts.feature_files import pieces_in

Vectors = npt.NDArray[np.float32]
"""[pictures, features], each of length 1."""


class KeptVectors:
    """The features of some pictures, in their order; of those without any, rows of 0."""

    def __init__(self, pieces: Sequence[npt.NDArray[np.float32]], places: npt.NDArray[np.int64]) -> None:
        """`places` [pictures, 2] says in which piece a picture is, and at which row; -1 for none."""
        self._pieces, self._places = pieces, places

    @classmethod
    def of(cls, features: Path, digests: Sequence[str]) -> KeptVectors:
        """Those of files by their SHA-256 (hex), of the encoder under `features` that knows most of them."""
        wanted = [bytes.fromhex(digest) for digest in digests]
        best = cls((), np.full((len(digests), 2), -1, dtype=np.int64))
        for folder in sorted(path for path in features.glob("*") if path.is_dir()):
            one = _of_encoder(folder, wanted)
            best = one if one.known.sum() > best.known.sum() else best
        return best

    def __len__(self) -> int:
        return len(self._places)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Of which pictures an encoder made features, [pictures]."""
        return self._places[:, 0] >= 0

    def block(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """The features of the pictures at `rows`, each of length 1; 0 without any."""
        places = self._places[rows]
        width = self._pieces[0].shape[1] if self._pieces else 0
        found = np.zeros((len(rows), width), dtype=np.float32)
        for piece in np.unique(places[places[:, 0] >= 0, 0]).tolist():
            chosen = np.flatnonzero(places[:, 0] == piece)
            found[chosen] = self._pieces[piece][places[chosen, 1]]
        return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12), np.float32)


def _of_encoder(folder: Path, wanted: Sequence[bytes]) -> KeptVectors:
    pieces: list[npt.NDArray[np.float32]] = []
    # Of the keys there may be many more than are wanted.
    places: dict[bytes, tuple[int, int]] = dict.fromkeys(wanted, (-1, -1))
    for keys, features in pieces_in(folder):
        if pieces and pieces[0].shape[1] != features.shape[1]:
            continue
        places |= {one: (len(pieces), row) for row, key in enumerate(keys) if (one := key.tobytes()) in places}
        pieces.append(features)
    return KeptVectors(pieces, np.array([places[one] for one in wanted], dtype=np.int64).reshape(-1, 2))
