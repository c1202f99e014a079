"""Features of encoders as runs keep them under a project, read without the encoder and without torch.

`features/<encoder>-<digits>/` holds pieces: `<name>.npy`, features [images, features], and `<name>.keys.npy`, the
SHA-256 of each image's stored bytes [images, 32]. `rawlabel.models.transfer.store` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

KEYS = ".keys.npy"
"""How the name of a piece's keys ends."""
Features = npt.NDArray[np.float32]
"""[images, features]."""


def pieces_in(folder: Path) -> Iterator[tuple[npt.NDArray[np.uint8], Features]]:
    """The pieces in the folder of one encoder, by name: keys [images, 32], and features, mapped from the disk.

    A piece that a kill has torn, or that is damaged, is none.
    """
    for path in sorted(folder.glob(f"*{KEYS}")):
        try:
            keys = np.load(path, allow_pickle=False)
            features = np.load(path.with_name(path.name.removesuffix(KEYS) + ".npy"), "r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            continue
        is_whole = keys.ndim == features.ndim == 2 and keys.shape == (len(features), 32)
        if is_whole and keys.dtype == np.uint8 and features.dtype == np.float32:
            yield keys, features


def places_in(folder: Path) -> tuple[list[Features], dict[bytes, tuple[int, int]]]:
    """The pieces in the folder of one encoder, and in which one, at which row, the features of each key are."""
    pieces: list[Features] = []
    places: dict[bytes, tuple[int, int]] = {}
    for keys, features in pieces_in(folder):
        places |= {key.tobytes(): (len(pieces), row) for row, key in enumerate(keys)}
        pieces.append(features)
    return pieces, places


def kept_features(project: Path, digests: Sequence[str]) -> tuple[str, Features] | None:
    """The name of an encoder that has features of all images with these SHA-256 (hex), and the features.

    The first by name of several; None where none has all. Pieces that are damaged are passed over.
    """
    for folder in sorted(path for path in (project / "features").glob("*") if path.is_dir()):
        found = _of_folder(folder, [bytes.fromhex(one) for one in digests])
        if found is not None:
            return folder.name, found
    return None


def _of_folder(folder: Path, keys: Sequence[bytes]) -> Features | None:
    pieces, places = places_in(folder)
    if not keys or not all(key in places for key in keys):
        return None
    features = np.empty((len(keys), pieces[0].shape[1]), dtype=np.float32)
    for place, (piece_number, row) in enumerate(places[key] for key in keys):
        features[place] = pieces[piece_number][row]
    return features
