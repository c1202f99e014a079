"""Noise injected into the training data on purpose: `--inject-noise`, and `--mix` of a second set."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rawlabel.base import families
from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.decoding import Images
from rawlabel.images.image_source import JoinedImages
from rawlabel.images.input import InputRequest, InputSet, is_address, locate, read_input
from rawlabel.manifests.label_noise import Evidence, Injection, LabelNoise, inject

_FEATURE_SIDE = 16
"""Side of the small images whose pixels are the features of instance-dependent noise [pixels]."""


def add_noise(
    found: InputSet, config: TrainConfig, request: InputRequest
) -> tuple[InputSet, dict[str, Injection]]:
    """`found` with the noise that `config` asks for in training images and holdout alike, and what was done.

    Raises `ConfigError`, `DataError`, `PluginError`.
    """
    injections: dict[str, Injection] = {}
    if config.mix is not None and config.mix_rate:
        found, injections["mix"] = _mixed(found, config, request)
    if config.inject_noise:
        _refuse_replacing(config)
        evidence = Evidence(found.class_ids, found.class_ids, _features(found, config))
        injections["label_noise"] = injection = inject(
            found.images.labels, len(found.class_ids), config.noise_kind, config.inject_noise, config.seed_of_data,
            options=config.noise_option, evidence=evidence, option_flag="--noise-option",
        )  # fmt: skip
        found = replace(found, images=replace(found.images, labels=injection.noisy.labels))
    return found, injections


def _refuse_replacing(config: TrainConfig) -> None:
    """Training data have no second set to take photos from, but that of --mix."""
    name = config.noise_kind
    kind: type[LabelNoise[Any]] = families.load(families.Family.LABEL_NOISE, name)
    if not kind.is_replacing:
        return
    remedy = f"make a manifest with `rawlabel noise PROJECT --kind {name} --second MANIFEST`, and train on that"
    if name == "mix":
        remedy = "name that set with --mix, and its share with --mix-rate"
    raise ConfigError(f"--noise-kind {name}: puts photos of a second set in; {remedy}")


def _mixed(found: InputSet, config: TrainConfig, request: InputRequest) -> tuple[InputSet, Injection]:
    """Replace a share of each class's images by images of the same class of the second set."""
    path = locate(config.root, str(config.mix))
    if not is_address(path) and not path.exists():
        raise DataError(f"{path}: no such folder; check --root and --mix")
    second = read_input(path, request)
    places = {name: index for index, name in enumerate(found.class_ids)}
    index = np.array([places.get(name, -1) for name in second.class_ids], dtype=np.int64)
    evidence = Evidence(found.class_ids, found.class_ids, second_labels=index[second.images.labels])
    labels = found.images.labels
    seed = config.seed_of_data
    injection = inject(labels, len(found.class_ids), "mix", config.mix_rate, seed, evidence=evidence)
    taken = injection.noisy.replaced_by
    rows = np.where(taken < 0, np.arange(len(labels)), len(labels) + taken)
    source = JoinedImages((found.images.source, second.images.source)).select(rows)
    images = replace(found.images, source=source, labels=injection.noisy.labels)
    # Other images to take from are other data.
    both = hashlib.sha256(f"{found.fingerprint} mixed with {second.fingerprint}".encode())
    return replace(found, images=images, fingerprint=both.hexdigest()), injection


def _features(found: InputSet, config: TrainConfig) -> npt.NDArray[np.float32] | None:
    """The pixels of small centre squares, where the kind of noise looks at the images."""
    if config.noise_kind != "instance_dependent":
        return None
    images = Images(found.images.source, _FEATURE_SIDE, config.reading_threads, "reading images for their noise")
    features = np.empty((len(images), _FEATURE_SIDE * _FEATURE_SIDE * 3), dtype=np.float32)
    for row in range(len(images)):
        pixels = images[row]
        top, left = ((length - _FEATURE_SIDE) // 2 for length in pixels.shape[:2])
        square = pixels[top : top + _FEATURE_SIDE, left : left + _FEATURE_SIDE]
        features[row] = square.reshape(-1) / 255 - 0.5
    return features
