"""Features of a project's photos, made before a training has made any, for `curate --crops`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.base.ray_cluster import Cluster
from rawlabel.config import CurateConfig
from rawlabel.images.image_source import ImageSource, StoredImage
from rawlabel.models.device import choose_device
from rawlabel.models.encoder import PACKAGED, load_encoder
from rawlabel.models.transfer.encoded_views import stored_features
from rawlabel.models.transfer.store import features_folder


class _Photos(ImageSource):
    """A project's photos, wherever they are stored."""

    def __init__(self, photos: ProjectPhotos, names: Sequence[str]) -> None:
        self._photos, self._names = photos, names

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int) -> StoredImage:
        return np.frombuffer(self._photos.read(self._names[index]), dtype=np.uint8)

    def name(self, index: int) -> str:
        return self._names[index]


def make_features(config: CurateConfig, names: Sequence[str]) -> None:
    """Keep the features of the photos called `names`, as a training with the encoder of every install does.

    What is kept already is not made again. Raises `DataError` for a photo that cannot be read, and `DiskError`.
    """
    source = _Photos(ProjectPhotos(config.project), names)
    source.max_megapixels = config.max_megapixels
    cluster = Cluster.of(config.engine, config.ray_address, config.workers)
    device = choose_device("cpu" if cluster is not None else "auto")
    folder = features_folder(config.project)
    stored_features(folder, load_encoder(PACKAGED), device, "auto", cluster=cluster).features(
        source, "features of photos"
    )
