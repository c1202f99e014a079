"""Where a network would get pixels, a head gets features: kept ones as they are, or those of views it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rawlabel.artifacts.run_records import EncoderRecord
from rawlabel.base.ray_cluster import Cluster
from rawlabel.config import TrainConfig
from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.images.decoding import Pixels, Transform
from rawlabel.models.device import choose_precision
from rawlabel.models.encoder import PACKAGED, Encoder, load_encoder
from rawlabel.models.encoders._own_classes import own_classes
from rawlabel.models.networks.normalization import Normalization
from rawlabel.models.transfer.by_tasks import ByTasks
from rawlabel.models.transfer.encoding import BATCH, Encoding
from rawlabel.models.transfer.store import FeatureStore, features_folder, kept_encoding

_AS_THEY_ARE = 1 << 20
"""A side that no photo is shrunk to."""


@dataclass(frozen=True)
class EncoderTransform(Transform):
    """The encoder's own view of each image, in training as in evaluation."""

    encoding: Encoding | None = None

    @property
    def stored_side(self) -> int:
        """Photos come as they are, so that their features are those that are kept."""
        return _AS_THEY_ARE

    def evaluation_view(self, pixels: Pixels) -> Pixels:
        """The view [side, side, 3] that the encoder takes of an image's pixels [height, width, 3].

        Both are RGB bytes.
        """
        assert self.encoding is not None
        return self.encoding.view(pixels)


class EncodedViews:
    """What a method is given: features, from views [batch, side, side, 3] uint8 or kept ones [batch, features]."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.normalization = Normalization(encoding.encoder.mean, encoding.encoder.std)

    def use(self, normalization: Normalization) -> None:
        """The encoder's own values stay: they belong to its weights."""

    def __call__(self, views: Tensor) -> Tensor:
        """The features on the device."""
        if views.dim() == 2:
            return views.to(self.encoding.device)
        # A tensor of inference cannot be trained on.
        return self.encoding(views).clone()


def encoding_store(
    config: TrainConfig, device: torch.device, known: Mapping[str, Any] | None = None
) -> FeatureStore:
    """The store of the features that `config` asks for.

    `known` are the facts of the encoder that a run was trained with, whose arithmetic is taken again. Raises
    `ConfigError`, and `CheckpointError` where its weights are others now.
    """
    assert config.encoder is not None
    encoder = load_encoder(config.encoder, config.weights)
    folder = features_folder(config.root)
    cluster = Cluster.of(config.engine, config.ray_address, config.workers)
    if known is None:
        return stored_features(
            folder, encoder, device, config.precision, config.workers, config.weights, cluster, config.encoder
        )
    if encoder.weights_sha256 != known["weights_sha256"]:
        raise CheckpointError(
            f"--encoder {config.encoder}: its weights are not those that the run was trained with; put those "
            "back, or train again"
        )
    precision = choose_precision("bf16" if known["arithmetic"] == "bfloat16" else "fp32", device)
    return FeatureStore(folder, Encoding(encoder, device, precision), config.workers)


def stored_features(
    folder: Path,
    encoder: Encoder,
    device: torch.device,
    precision: str,
    workers: int | None = None,
    weights: Path | None = None,
    cluster: Cluster | None = None,
    name: str = PACKAGED,
) -> FeatureStore:
    """The store of an encoder's features under `folder`, in the arithmetic that `precision` says.

    With a `cluster`, its tasks make what is missing, where the encoder has this `name` and its weights lie in the
    file `weights`, if any.
    """
    encoding = kept_encoding(folder, encoder, device, precision)
    elsewhere = None
    if cluster is not None:
        known = "bf16" if encoding.arithmetic == "bfloat16" else "fp32"
        elsewhere = ByTasks(cluster, name, weights.absolute() if weights else None, known, BATCH)
    return FeatureStore(folder, encoding, workers, elsewhere=elsewhere)


def encoding_in(store: FeatureStore) -> Encoding:
    """What makes the features of a store that `encoding_store` made."""
    assert isinstance(store.maker, Encoding)
    return store.maker


def encoder_facts(store: FeatureStore) -> EncoderRecord:
    """What a run notes in `encoder.json`: name, weights by hash, license, training, and the arithmetic."""
    encoding = encoding_in(store)
    return encoding.encoder.record().model_copy(update={"arithmetic": encoding.arithmetic})


def encoder_record(store: FeatureStore, class_ids: Sequence[str]) -> EncoderRecord:
    """What a run records of its encoder: its facts, and which of `class_ids` it was taught (`own_classes`)."""
    known = own_classes(class_ids, encoding_in(store).encoder.training.label_lists)
    return encoder_facts(store).model_copy(update={"own_classes": tuple(known)})


def refuse_pixels(config: TrainConfig) -> None:
    """Raise `ConfigError` for settings that a head on features cannot heed."""
    views = () if config.finetune else ("progressive_from",)
    for key in ("pretrained", "compute_jacobian", "num_planes", "network_config", *views):
        if getattr(config, key):
            raise ConfigError(
                f"--{key.replace('_', '-')}: needs a network that is trained on pixels, and --encoder "
                f"{config.encoder} is frozen; leave it out, or use --recipe scratch"
            )
