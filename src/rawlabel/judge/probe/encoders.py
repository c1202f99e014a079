"""Frozen networks that turn images into features: a run's own, or one of timm."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base.progress import progress
from rawlabel.config import ProbeConfig
from rawlabel.errors import CheckpointError, ConfigError, did_you_mean
from rawlabel.images.decoding import Pixels
from rawlabel.judge.probe.choice import Features
from rawlabel.models.device import choose_device, choose_precision
from rawlabel.models.features import features_heard
from rawlabel.models.networks.building import hub_errors
from rawlabel.models.networks.normalization import IMAGENET
from rawlabel.models.predictor import load_predictor

OWN, PRETRAINED, FILE = "this run's own", "pretrained", "file"
_HUB = ("hf-hub:", "hf_hub:")
_REMEDY = "name a file with --weights, or leave out --backbone for the run's own features"


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network without its head, and the views of images that it takes."""

    backbone: str
    origin: Literal["this run's own", "pretrained", "file"]
    """Where the weights come from."""
    weights_sha256: str
    views: str
    """What is done to images, and the arithmetic; features are equal where weights and this are."""
    shorter_side: int | None
    """Side [pixels] to which photos may be shrunk when they are decoded."""
    device: torch.device
    view: Callable[[Pixels], Tensor]
    """Input of the network for one image."""
    encode: Callable[[Tensor], Features]
    """Features [batch, features] of a batch of views."""
    epoch: int | None = None
    """Epoch of the run's own weights."""
    weights_file: str | None = None
    """Name of the file with the weights, if they came in one."""

    @property
    def key(self) -> str:
        """What features depend on besides the images."""
        return f"{self.backbone}:{self.weights_sha256}:{self.views}"


def make_encoder(run: RunDirectory, config: ProbeConfig) -> Encoder:
    """The encoder that `config` names. Raises `ConfigError` and `CheckpointError`."""
    if config.backbone is not None:
        return timm_encoder(config.backbone, config.weights, config.device)
    if config.weights is not None:
        raise ConfigError(f"--weights {config.weights}: say with --backbone which network of timm they belong to")
    return own_encoder(run, config.device)


def own_encoder(run: RunDirectory, device: str) -> Encoder:
    """The network of the run's selected epoch, up to its last linear layer.

    Raises `ConfigError` when it has none, and `CheckpointError`.
    """
    predictor, _, epoch = load_predictor(run.selected_checkpoint, device=device)
    name = str(run.config()["model"])

    def encode(views: Tensor) -> Features:
        with features_heard(predictor.method) as heard:
            predictor.classify_at_once(views)
        if len(heard) != 1 or heard[0].dim() != 2:
            raise ConfigError(f"--backbone: {name} does not end in a linear layer, so name another network")
        return heard[0].numpy()

    transform = predictor.transform
    views = f"{transform.image_size} pixels, {transform.augment}, {predictor.precision}"
    if (normalization := predictor.normalizer.normalization) != IMAGENET:
        views += f", mean {normalization.mean}, deviation {normalization.std}"
    return Encoder(
        name,
        "this run's own",
        hash_weights(predictor.method.predicting_network),
        views,
        transform.stored_side,
        predictor.device,
        lambda pixels: torch.from_numpy(transform.evaluation_view(pixels)),
        encode,
        epoch,
    )


def timm_encoder(name: str, weights: Path | None, device_name: str) -> Encoder:
    """A network of timm with pretrained weights, or those in a file, and the views that timm says it expects.

    Source: timm's documentation on feature extraction (`create_model(..., num_classes=0)`) and
    `timm.data.resolve_model_data_config`. Raises `ConfigError` and `CheckpointError`.
    """
    import timm
    from PIL import Image
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    name = name.removeprefix("timm/")
    if not name.startswith(_HUB) and not timm.is_model(name):
        raise ConfigError(f"--backbone: timm has no network '{name}'{did_you_mean(name, timm.list_models())}")
    device = choose_device(device_name)
    precision = choose_precision("auto", device)
    network = _pretrained(name) if weights is None else _create(name)
    if weights is not None:
        load_weights_file(network, weights, name)
    network = network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    expected = resolve_model_data_config(network)
    transform = create_transform(**expected, is_training=False)

    @torch.inference_mode()
    def encode(views: Tensor) -> Features:
        views = views.to(device).to(memory_format=torch.channels_last)
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            features = network(views)
        if features.dim() != 2:
            raise ConfigError(f"--backbone {name}: gives no feature vector of an image; name another network")
        array: Features = features.float().cpu().numpy()
        return array

    def view(pixels: Pixels) -> Tensor:
        tensor: Tensor = transform(Image.fromarray(pixels))
        return tensor

    views = f"{json.dumps(expected, sort_keys=True, default=str)}, {precision}, timm {timm.__version__}"
    origin: Literal["pretrained", "file"] = "pretrained" if weights is None else "file"
    file = weights.name if weights is not None else None
    return Encoder(name, origin, hash_weights(network), views, None, device, view, encode, weights_file=file)


def _create(name: str, pretrained: bool = False) -> nn.Module:
    """Build the network; the hub's warnings on each attempt are left out, since one line says how it ended."""
    import timm
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        network: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except hub_errors() as error:
        raise ConfigError(
            f"--backbone {name}: its pretrained weights cannot be had ({type(error).__name__}: no copy in the "
            f"cache, and the hub does not give them); {_REMEDY}"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"--backbone {name}: {' '.join(str(error).split())}; {_REMEDY}") from error
    finally:
        logging.set_verbosity(before)
    return network


def _pretrained(name: str) -> nn.Module:
    with progress(f"weights of {name}", 1) as task:
        network = _create(name, pretrained=True)
        task.advance()
    return network


def load_weights_file(network: nn.Module, path: Path, name: str) -> None:
    """Load a file of weights in timm's layout into a network without a head.

    The head in the file is left out; all else must fit. Raises `CheckpointError` that names the file.
    """
    weights = _read_weights(path)
    config: dict[str, Any] = getattr(network, "pretrained_cfg", None) or {}
    heads = config.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    kept = {key: value for key, value in weights.items() if key.rpartition(".")[0] not in heads}
    try:
        missing, unexpected = network.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split(":", 1)[-1].split())[:200]
        raise CheckpointError(f"{path}: does not fit {name} ({reason}); check --backbone") from error
    # Older files lack this counter, which features do not depend on.
    wrong = [key for key in missing if not key.endswith("num_batches_tracked")] + unexpected
    if wrong:
        what = "lacks" if wrong[0] in missing else "has"
        raise CheckpointError(
            f"{path}: does not fit {name} ({what} '{wrong[0]}'; {len(wrong)} names differ); check --backbone"
        )


def _read_weights(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from timm.models import load_state_dict

    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; check --weights")
    try:
        # timm unwraps `state_dict`, `model` and the like, and a prefix `module.`.
        weights: dict[str, Any] = load_state_dict(str(path), use_ema=True, device="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        EOFError,
        SafetensorError,
        pickle.UnpicklingError,
    ) as error:
        raise CheckpointError(f"{path}: holds no weights that can be read safely; check --weights") from error
    if not weights or not all(isinstance(one, Tensor) for one in weights.values()):
        raise CheckpointError(f"{path}: holds more or less than the weights of a network; check --weights")
    return weights


def hash_weights(network: nn.Module) -> str:
    """SHA-256 (hex) of a network's parameters and buffers with their names: equal weights, equal features."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
