"""Stored photos, decoded and fingerprinted as tasks of a Ray cluster, with what this process alone would find.

A task is a piece of photos; this process alone keeps what they find, in the order of the pieces. A piece that is
lost with its process or machine is examined again by Ray, a few times, and then here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rawlabel.artifacts.copies.fingerprint import Fingerprint
from rawlabel.artifacts.image_check import Decoded, examine_image, within_limits
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.base.ray_cluster import connect, import_ray
from rawlabel.config import CurateConfig
from rawlabel.errors import RawlabelError

if TYPE_CHECKING:
    from ray import ObjectRef

RETRIES = 3
"""Times that Ray examines a piece again whose process or machine was lost."""

Piece = Sequence[tuple[str, str]]
"""SHA-256 and name of some stored photos."""
Found = tuple[Decoded, Fingerprint | None]


def examined_by_ray(
    pieces: Sequence[Piece], photos: ProjectPhotos, config: CurateConfig
) -> Iterator[list[tuple[str, Found]]]:
    """What is in each photo, piece by piece, in their order.

    Raises `ConfigError` where Ray is not installed or no cluster answers, and `DataError` for a photo that cannot
    be read, as for one in a folder that a machine does not share.
    """
    if not pieces:
        return
    ray = import_ray(config.ray_address)
    is_own = connect(config.ray_address, config.workers)
    # Other processes look for the photos from other working folders.
    project = photos.project.absolute()
    try:
        task = ray.remote(examine_piece).options(max_retries=RETRIES, retry_exceptions=False)
        most = 2 * int(ray.cluster_resources().get("CPU", 0)) + 2
        begun: deque[tuple[Piece, ObjectRef[Any]]] = deque()
        for piece in pieces:
            begun.append((piece, task.remote(project, config, piece)))
            if len(begun) >= most:
                yield _ended(*begun.popleft(), photos, config)
        while begun:
            yield _ended(*begun.popleft(), photos, config)
    finally:
        if is_own:
            ray.shutdown()


def examine_piece(project: Path, config: CurateConfig, piece: Piece) -> list[tuple[str, Found]]:
    """The Ray task, which may be run again from the start. Raises `DataError`."""
    photos = ProjectPhotos(project)
    return [(digest, examine_stored(photos, config, name)) for digest, name in piece]


def examine_stored(photos: ProjectPhotos, config: CurateConfig, name: str) -> Found:
    """What is in the photo of that name. Raises `DataError`."""
    decoded, fingerprint = examine_image(photos.read(name), config.max_megapixels)
    return within_limits(decoded, config.min_side, config.max_megapixels), fingerprint


def _ended(
    piece: Piece, result: ObjectRef[Any], photos: ProjectPhotos, config: CurateConfig
) -> list[tuple[str, Found]]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        found: list[tuple[str, Found]] = ray.get(result)
    except RayTaskError as error:
        if isinstance(error.cause, RawlabelError):
            raise error.cause from error
        raise
    except RayError:
        return [(digest, examine_stored(photos, config, name)) for digest, name in piece]
    return found
