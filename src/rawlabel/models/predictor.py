"""A method ready to classify: what training, evaluation and `rawlabel predict` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from rawlabel.artifacts.run import Run, settings_of
from rawlabel.base import distributed, families
from rawlabel.base.json_values import JsonObject
from rawlabel.config import TrainConfig, load_options
from rawlabel.errors import CheckpointError, ConfigError, DataError
from rawlabel.images.decoding import DecodedImages, Transform
from rawlabel.images.kept_features import KeptFeatures
from rawlabel.images.loader import evaluation_batches
from rawlabel.images.view_size import image_size_at
from rawlabel.models.checkpoint import load_weights
from rawlabel.models.device import choose_device, synchronize
from rawlabel.models.encoder import Encoder, load_encoder
from rawlabel.models.memory import FittingParts, memory_errors
from rawlabel.models.method import Method
from rawlabel.models.networks.building import (
    build_network,
    load_network_options,
    published_normalization,
    refuse_size,
)
from rawlabel.models.networks.normalization import IMAGENET, Normalization, Normalizer
from rawlabel.models.precision import settle_precision
from rawlabel.models.transfer.encoded_views import (
    EncodedViews,
    EncoderTransform,
    encoder_facts,
    encoding_in,
    encoding_store,
    refuse_pixels,
)
from rawlabel.models.transfer.head import FeatureHead
from rawlabel.models.transfer.store import FeatureStore
from rawlabel.models.transfer.whole import WholeTransform, whole_network


def _go_on() -> None:
    pass


@dataclass(frozen=True)
class Predictor:
    """A method with all that it needs to turn images into logits."""

    method: Method[Any]
    transform: Transform
    normalizer: Normalizer | EncodedViews
    device: torch.device
    precision: torch.dtype
    pause: Callable[[], None] = _go_on
    """Called before each batch of a measurement; it may raise to end the measurement there."""
    parts: FittingParts = field(default_factory=FittingParts)
    """In which batches are measured."""
    store: FeatureStore | None = None
    """Where the features of images are kept, which the method takes in their place; None for pixels."""

    def encoder_facts(self) -> JsonObject | None:
        """What weights files note under `encoder`; None where there is none."""
        return None if self.store is None else encoder_facts(self.store).as_json()

    def logits(self, images: DecodedImages | KeptFeatures, batch_size: int = 256) -> npt.NDArray[np.float32]:
        """Logits [images, classes], in order; the method is left in the mode it was in."""
        pin_memory = self.device.type == "cuda"
        views = evaluation_batches(images, self.transform, batch_size, pin_memory=pin_memory)
        logits = [part for one in views for part in self._begin(one)]
        # The only time that this waits for a GPU.
        synchronize(self.device)
        return distributed.whole_batch(torch.cat(logits), len(images)).numpy()

    def classify(self, views: Tensor) -> Tensor:
        """Logits [batch, classes], on the processor, of views [batch, size, size, 3] uint8.

        Where memory does not suffice for the batch, in parts of it.
        """
        logits = list(self._begin(views))
        synchronize(self.device)
        return torch.cat(logits)

    def _begin(self, views: Tensor) -> Iterator[Tensor]:
        """As `classify`, the parts one by one; a GPU may still be at them."""
        self.pause()
        return self.parts(self.classify_at_once, views)

    @torch.inference_mode()
    def classify_at_once(self, views: Tensor) -> Tensor:
        """As `classify`, the whole batch or nothing; a GPU may still be at it (`synchronize`)."""
        was_training = self.method.training
        self.method.eval()
        try:
            with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
                return self.method.predict(self.normalizer(views)).float().to("cpu", non_blocking=True)
        finally:
            self.method.train(was_training)


def build_predictor(
    config: TrainConfig,
    num_samples: int,
    num_classes: int,
    normalization: Normalization | None = None,
    encoder: Mapping[str, Any] | None = None,
    *,
    is_training: bool = True,
) -> Predictor:
    """Build the method that `config` describes, freshly initialised, on its device, to train or to measure it.

    Images are normalised by `normalization`, by default as published weights expect it where they are asked for,
    and else by ImageNet's. `encoder` are the facts of the one that weights to be loaded were trained with.
    """
    device = choose_device(config.device, config.gpu)
    store = whole = None
    if config.encoder is not None:
        refuse_pixels(config)
        if config.finetune:
            whole = load_encoder(config.encoder, config.weights)
            normalization = Normalization(whole.mean, whole.std)
        else:
            store = encoding_store(config, device, encoder)
    transform = Transform.choose(
        config.image_size, config.augment, crop=not config.norandomcrop, flip=not config.norandomflip
    )
    if whole is not None:
        transform = WholeTransform(whole.image_size, transform.augment, whole)
    method_type: type[Method[Any]] = families.load(families.Family.METHOD, config.method)
    options = load_options(method_type.Options, _method_options(config), "--method-option")
    method = method_type(
        _network_maker(config, num_classes, store, whole),
        num_samples,
        num_classes,
        options,
    )
    if (smallest := image_size_at(config, 0)) != config.image_size:
        refuse_size(method.network, config.encoder or config.model, smallest, "--progressive-from")
    if normalization is None:
        normalization = published_normalization(method.network, config.model) if config.pretrained else IMAGENET
    method.exchanges_bf16 = config.exchange == "bf16"
    if config.ema:
        method.keep_average(config.ema)
    with memory_errors(f"--model: {config.model} does not fit into memory; end other programs that use it"):
        method = method.to(device).to(memory_format=torch.channels_last)
    if store is not None:
        return _head_predictor(method, store, device)
    precision = settle_precision(config, method.network, device, is_training=is_training)
    normalizer = Normalizer(transform.image_size, device, normalization)
    return Predictor(method, transform, normalizer, device, precision)


def _network_maker(
    config: TrainConfig, num_classes: int, store: FeatureStore | None, whole: Encoder | None
) -> Callable[[], nn.Module]:
    """What makes one freshly initialised network, or head where there is an encoder, or both in one."""
    encoder = whole if store is None else encoding_in(store).encoder
    if encoder is not None:
        by_deviation = config.feature_scale == "deviation"
        head = partial(FeatureHead, encoder.num_features, num_classes, config.hidden, by_deviation=by_deviation)
        return head if whole is None else lambda: whole_network(encoder, head())
    options = load_network_options(config)
    return lambda: build_network(
        config.model, num_classes, pretrained=config.pretrained, options=options, image_size=config.image_size
    )


def _head_predictor(method: Method[Any], store: FeatureStore, device: torch.device) -> Predictor:
    """Where a head is trained, arithmetic is the encoder's: of one layer nothing is to be won."""
    if method.strong_augmentation is not None:
        raise ConfigError("--method: makes strong views of images, and features have none; choose another")
    encoding = encoding_in(store)
    transform = EncoderTransform(encoding.encoder.image_size, "none", encoding)
    return Predictor(method, transform, EncodedViews(encoding), device, torch.float32, store=store)


def _method_options(config: TrainConfig) -> tuple[str, ...]:
    """The method's options, `--loss` among them."""
    if config.loss == "cross_entropy":
        return config.method_option
    if config.method != "cross_entropy":
        raise ConfigError(
            f"--loss {config.loss}: --method {config.method} has a loss of its own; leave --loss out, or use "
            "--method cross_entropy"
        )
    return (*config.method_option, f"loss={config.loss}")


def load_predictor(path: Path, **overrides: Any) -> tuple[Predictor, list[str], int]:
    """Load the weights of an epoch; return predictor, class ids and epoch.

    `overrides` replace settings that do not change the weights, such as `device` and `precision`. Raises
    `CheckpointError`.
    """
    saved = distributed.from_first(lambda: load_weights(path))
    try:
        config = settings_of(saved["config"], path)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    if overrides.get("precision") == "auto":
        # What the run was told to be trained in holds until something else is said.
        overrides = {**overrides, "precision": config.precision}
    weights = _encoder_file(path, config)
    config = config.model_copy(update={"pretrained": False, "gpu": None, "weights": weights, **overrides})
    normalization = Normalization.of_weights_file(saved)
    predictor = build_predictor(
        config,
        saved["num_samples"],
        len(saved["class_ids"]),
        normalization,
        saved.get("encoder"),
        is_training=False,
    )
    predictor.method.load_state_dict(saved["method"])
    return predictor, saved["class_ids"], saved["epoch"]


def _encoder_file(checkpoint: Path, config: TrainConfig) -> Path | None:
    """The file of the encoder's weights where it lies now, whatever folder this is called in; None without one.

    Raises `CheckpointError` where it is gone.
    """
    if config.encoder is None or config.weights is None:
        return config.weights
    run = Run(checkpoint.parent.parent)
    file = run.last_start.weights.find(run.path, config.weights, Path.is_file)
    if not file.is_file():
        known = run.last_start.weights.absolute or config.weights
        raise CheckpointError(
            f"{run.path}: stands on the encoder's weights in {known}, and that file is not there; put it back"
        )
    return file
