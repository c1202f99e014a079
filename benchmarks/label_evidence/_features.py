"""Features of CIFAR-10's images by the packaged encoder, kept by the product's own store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from rawlabel.images.input import InputRequest, read_input
from rawlabel.models.encoder import PACKAGED, Encoder, Pixels, load_encoder
from rawlabel.models.transfer.store import FeatureStore, features_folder, kept_encoding

SIDE = 128
"""Of the images as the encoder sees them [pixels]; twice as large costs three times the time."""


def cifar_features(data: Path, work: Path, images: int) -> npt.NDArray[np.float32]:
    """Features [images, features] of the first `images` of the training file in `data`, kept under `work`."""
    found = read_input(data / "train.parquet", InputRequest("train", "worst_label", "image"))
    source = found.images.select(np.arange(images)).source
    folder = features_folder(work)
    store = FeatureStore(folder, kept_encoding(folder, _enlarging(), torch.device("cpu"), "auto"))
    return store.features(source, "features of CIFAR-10 images").numpy()


def _enlarging() -> Encoder:
    packaged = load_encoder(PACKAGED)
    return replace(packaged, name=f"{PACKAGED}-{SIDE}", image_size=SIDE, views=f"whole, {SIDE}", view=_whole)


def _whole(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))
