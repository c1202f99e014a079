"""What makes the features of a probe: a run's own network, or an encoder that was trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import ProbeConfig
from rawlabel.errors import ConfigError
from rawlabel.images.decoding import Pixels, shrunk
from rawlabel.models.device import choose_device
from rawlabel.models.encoder import fitted_encoder, load_encoder
from rawlabel.models.encoders._weights import hash_weights
from rawlabel.models.features import features_heard
from rawlabel.models.networks.normalization import IMAGENET
from rawlabel.models.predictor import Predictor, load_predictor
from rawlabel.models.transfer.encoded_views import encoder_facts
from rawlabel.models.transfer.store import FeatureStore, Maker, features_folder, kept_encoding
from rawlabel.training.around.fitting import usual_shorter_side
from rawlabel.training.around.holdout import data_of_run

OWN, PACKAGED, PRETRAINED, FILE = "this run's own", "packaged", "pretrained", "file"
_OWN_FEATURES = "probe_features"
_FLAG = "--backbone"


@dataclass(frozen=True, eq=False)
class ProbeEncoder:
    """What makes the features of a probe, and where its weights come from."""

    backbone: str
    origin: str
    """`OWN`, `PACKAGED`, `PRETRAINED` or `FILE`."""
    weights_sha256: str
    store: FeatureStore
    epoch: int | None = None
    """Epoch of the run's own weights."""
    is_frozen: bool = False
    """Whether the run's own features are those of a frozen encoder."""
    weights_file: str | None = None
    """Name of the file with the weights, if they came in one."""

    @property
    def device(self) -> torch.device:
        """The device on which features are computed: the processor, or the GPU that was asked for."""
        return self.store.maker.device


def make_encoder(run: RunDirectory, config: ProbeConfig) -> ProbeEncoder:
    """The encoder that `config` names. Raises `ConfigError` and `CheckpointError`."""
    if config.backbone is not None:
        return _published(run, config, config.backbone)
    if config.weights is not None:
        raise ConfigError(f"--weights {config.weights}: say with --backbone which network they belong to")
    predictor, _, epoch = load_predictor(run.selected_checkpoint, device=config.device)
    trained = run.read().config
    name = trained.encoder or trained.model
    if predictor.store is not None and not trained.hidden:
        # What reaches a linear head is what its encoder gives, which is kept already.
        sha256 = encoder_facts(predictor.store).weights_sha256
        return ProbeEncoder(name, OWN, sha256, predictor.store, epoch, is_frozen=True)
    maker = OwnFeatures(name, predictor)
    store = FeatureStore(run.path / _OWN_FEATURES, maker, config.workers, config.batch_size)
    return ProbeEncoder(maker.name, OWN, maker.weights_sha256, store, epoch)


def _published(run: RunDirectory, config: ProbeConfig, backbone: str) -> ProbeEncoder:
    fitting = fitted_encoder(backbone, lambda: usual_shorter_side(data_of_run(run).train.source))
    encoder = load_encoder(fitting, config.weights, flag=_FLAG)
    folder = features_folder(run.read().config.root)
    maker: Maker = kept_encoding(folder, encoder, choose_device(config.device), "auto")
    store = FeatureStore(folder, maker, config.workers, config.batch_size)
    name = encoder.name
    return ProbeEncoder(name, encoder.origin, encoder.weights_sha256, store, weights_file=encoder.weights_file)


class OwnFeatures:
    """What reaches the last linear layer of a run's network at its selected epoch."""

    def __init__(self, name: str, predictor: Predictor) -> None:
        self.name, self.device, self._predictor = name, predictor.device, predictor
        self.weights_sha256 = hash_weights(predictor.method.predicting_network)

    @property
    def key(self) -> str:
        """What the features depend on besides the images."""
        transform, normalization = self._predictor.transform, self._predictor.normalizer.normalization
        views = f"{transform.image_size} pixels, {transform.augment}, {self._predictor.precision}"
        if normalization != IMAGENET:
            views += f", mean {normalization.mean}, deviation {normalization.std}"
        return f"{self.name}:{self.weights_sha256}:{views}"

    def view(self, pixels: Pixels) -> Pixels:
        """The run's own evaluation view [side, side, 3] of an image's pixels [height, width, 3].

        Both are RGB bytes.
        """
        transform = self._predictor.transform
        return transform.evaluation_view(shrunk(pixels, transform.stored_side))

    def __call__(self, views: Tensor) -> Tensor:
        """Features of views. Raises `ConfigError` for a network that does not end in a linear layer."""
        with features_heard(self._predictor.method) as heard:
            self._predictor.classify_at_once(views)
        if len(heard) != 1 or heard[0].dim() != 2:
            raise ConfigError(f"--backbone: {self.name} does not end in a linear layer, so name another network")
        return heard[0]
