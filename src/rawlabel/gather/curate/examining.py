"""What the stored photos of a collection show: each is decoded in full once, and what identifies it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.copies.fingerprint import Fingerprint, Pixels
from rawlabel.artifacts.copies.store import PIECE, FingerprintStore
from rawlabel.artifacts.image_check import Decoded, decode_image, decoded_of, examine_image, within_limits
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.base.progress import progress
from rawlabel.base.ray_cluster import Cluster
from rawlabel.config import CurateConfig
from rawlabel.errors import DataError

Piece = Sequence[tuple[str, str]]
"""SHA-256 and name of some stored photos."""
Found = tuple[Decoded, Fingerprint | None]


def examine_all(
    candidates: Sequence[Candidate], photos: ProjectPhotos, store: FingerprintStore, config: CurateConfig
) -> dict[str, Decoded]:
    """What is in each stored file, by the SHA-256 of its bytes; fingerprints that are missing go to the store.

    A file that was decoded before is not decoded again. Raises `DataError` for a photo that cannot be read, and
    `DiskError`.
    """
    names = {
        digest: photos.name(digest, one.outcome.media_type or "")
        for one in candidates
        if (digest := one.outcome.stored_sha256) and not (one.last_seen and one.last_seen.reason)
    }
    decoded = dict(_known(names, photos, store, config))
    missing = [digest for digest in names if digest not in decoded]
    examined = _examined_by_ray if config.engine == "ray" else _examined_here
    pieces = [[(digest, names[digest]) for digest in some] for some in _pieces(missing)]
    with progress("checking photos", len(names), done=len(decoded)) as task:
        # Piece by piece, so that whoever stops this loses one, and goes on from the others.
        for piece in examined(pieces, photos, config):
            decoded |= {digest: one for digest, (one, _) in piece}
            store.add({digest: found for digest, (_, found) in piece if found is not None})
            task.advance(len(piece))
    return decoded


def pixels_of(
    candidates: Sequence[Candidate], photos: ProjectPhotos, config: CurateConfig
) -> Callable[[str], Pixels]:
    """What reads the upright pixels of a stored file by its SHA-256; it raises `DataError` where it cannot."""
    types = {digest: one.outcome.media_type for one in candidates if (digest := one.outcome.stored_sha256)}

    def read(digest: str) -> Pixels:
        name = photos.name(digest, types[digest] or "")
        _, picture = decode_image(photos.read(name), config.max_megapixels)
        if picture is None:
            raise DataError(f"{name}: is no image any more; run `rawlabel verify` to see what is damaged")
        return np.asarray(picture, dtype=np.uint8)

    return read


def _known(
    names: dict[str, str], photos: ProjectPhotos, store: FingerprintStore, config: CurateConfig
) -> Iterator[tuple[str, Decoded]]:
    """Those that were examined before and are still there, as far as that can be seen without reading them."""
    known = [digest for digest, name in names.items() if digest in store and _is_there(photos, name)]
    for some in _pieces(known):
        for digest, one in zip(some, store.fingerprints(some), strict=True):
            yield digest, within_limits(decoded_of(one), config.min_side, config.max_megapixels)


def _pieces(digests: list[str]) -> Iterator[list[str]]:
    return (digests[start : start + PIECE] for start in range(0, len(digests), PIECE))


def _is_there(photos: ProjectPhotos, name: str) -> bool:
    return photos.is_remote or photos.path(name).is_file()


def _examined_here(
    pieces: Sequence[Piece], photos: ProjectPhotos, config: CurateConfig
) -> Iterator[list[tuple[str, Found]]]:
    examine = partial(examine_stored, photos, config)
    with ThreadPoolExecutor(config.workers) as pool:
        try:
            for some in pieces:
                found = pool.map(examine, [name for _, name in some])
                yield [(digest, one) for (digest, _), one in zip(some, found, strict=True)]
        except BaseException:
            # Whoever stops this does not want to wait for all the others.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _examined_by_ray(
    pieces: Sequence[Piece], photos: ProjectPhotos, config: CurateConfig
) -> Iterator[list[tuple[str, Found]]]:
    if pieces:
        # Other processes look for the photos from other working folders.
        calls = ((photos.project.absolute(), config, some) for some in pieces)
        yield from Cluster(config.ray_address, config.workers).results(_examine_piece, calls)


def _examine_piece(project: Path, config: CurateConfig, piece: Piece) -> list[tuple[str, Found]]:
    photos = ProjectPhotos(project)
    return [(digest, examine_stored(photos, config, name)) for digest, name in piece]


def examine_stored(photos: ProjectPhotos, config: CurateConfig, name: str) -> Found:
    """What is in the photo of that name. Raises `DataError`."""
    decoded, fingerprint = examine_image(photos.read(name), config.max_megapixels)
    return within_limits(decoded, config.min_side, config.max_megapixels), fingerprint
