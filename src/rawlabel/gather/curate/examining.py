"""What the stored photos of a collection show: each is decoded in full once, and what identifies it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.copies.fingerprint import Fingerprint
from rawlabel.artifacts.copies.store import PIECE, FingerprintStore
from rawlabel.artifacts.image_check import Decoded, decoded_of, examine_image, within_limits
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.base.progress import progress
from rawlabel.config import CurateConfig

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
    examine = partial(_examine, photos, config)
    with (
        progress("checking photos", len(names), done=len(decoded)) as task,
        ThreadPoolExecutor(config.workers) as pool,
    ):
        try:
            for some in _pieces(missing):
                found: dict[str, Fingerprint] = {}
                examined = pool.map(examine, [names[digest] for digest in some])
                for digest, (decoded[digest], one) in zip(some, examined, strict=True):
                    if one is not None:
                        found[digest] = one
                    task.advance()
                store.add(found)
        except BaseException:
            # Whoever stops this does not want to wait for all the others.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return decoded


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


def _examine(photos: ProjectPhotos, config: CurateConfig, name: str) -> Found:
    decoded, fingerprint = examine_image(photos.read(name), config.max_megapixels)
    return within_limits(decoded, config.min_side, config.max_megapixels), fingerprint
