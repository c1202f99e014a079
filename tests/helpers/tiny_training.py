"""Small class folders whose classes a tiny network tells apart, and settings with which it does so in a blink."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rawlabel.config import TrainConfig

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
CLASSES = ("blue", "green", "red")


def make_class_folders(root: Path, per_class: int, seed: int) -> Path:
    """Noisy images of one dominant channel each, 40 x 36 pixels."""
    rng = np.random.default_rng(seed)
    for channel, name in zip((2, 1, 0), CLASSES, strict=True):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = rng.integers(0, 160, (36, 40, 3))
            pixels[..., channel] += 60
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i:03d}.png")
    return root


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    make_class_folders(root / "candidate", 40, 1)
    make_class_folders(root / "test", 12, 2)
    return root


def tiny(data: Path, **changes: object) -> TrainConfig:
    """Settings with which an epoch takes a blink."""
    values = {
        "root": data, "main": "candidate", "test": "test", "model": "cifar_resnet8", "image_size": 16,
        "epochs": 4, "batch_size": 16, "lr": 0.02, "decay_epochs": 3, "holdout": 0.2, "seed": 7, "device": "cpu",
    }  # fmt: skip
    return TrainConfig(**(values | changes))  # type: ignore[arg-type]
