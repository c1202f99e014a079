"""Features of encoders as runs keep them under a project, read without the encoder and without torch.

`features/<encoder>-<digits>/` holds pieces: `<name>.npy`, features [images, features], and `<name>.keys.npy`, the
SHA-256 of each image's stored bytes [images, 32]. `rawlabel.models.transfer.store` writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

_KEYS = ".keys.npy"
Features = npt.NDArray[np.float32]
"""[images, features]."""


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
    places: dict[bytes, tuple[int, int]] = {}
    pieces: list[Features] = []
    for path in sorted(folder.glob(f"*{_KEYS}")):
        try:
            known = np.load(path, allow_pickle=False)
            piece = np.load(
                path.with_name(path.name.removesuffix(_KEYS) + ".npy"), mmap_mode="r", allow_pickle=False
            )
        except (OSError, ValueError, EOFError):
            continue
        if known.shape != (len(piece), 32) or piece.ndim != 2:
            continue
        places |= {key.tobytes(): (len(pieces), row) for row, key in enumerate(known)}
        pieces.append(piece)
    if not keys or not all(key in places for key in keys):
        return None
    features = np.empty((len(keys), pieces[0].shape[1]), dtype=np.float32)
    for place, (piece_number, row) in enumerate(places[key] for key in keys):
        features[place] = pieces[piece_number][row]
    return features
