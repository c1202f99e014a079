"""Small runs whose models are handed over: a network of our own, one that timm has, heads on an encoder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawlabel.config import load_training
from rawlabel.training.stage import train
from tests.helpers.tiny_training import make_class_folders, tiny


@pytest.fixture(autouse=True)
def own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a card has people import is that of its own folder, and no later test's."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("probabilities", None)
    yield
    sys.modules.pop("probabilities", None)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("handed_over")
    make_class_folders(root / "candidate", 40, 1)
    make_class_folders(root / "test", 12, 2)
    return root


@pytest.fixture(scope="session")
def own_run(photos: Path) -> Path:
    return train(tiny(photos, epochs=3, outpath=photos / "own", test=None, ema=0.5)).path


@pytest.fixture(scope="session")
def timm_run(photos: Path) -> Path:
    config = tiny(photos, model="resnet10t", image_size=32, epochs=1, outpath=photos / "runs" / "timm", test=None)
    return train(config).path


@pytest.fixture(scope="session", params=["length", "deviation"])
def head_run(photos: Path, request: pytest.FixtureRequest) -> Path:
    scale = request.param
    flags = {
        "recipe": "transfer", "encoder": "efficientnet_lite0@32", "root": photos, "main": "candidate", "epochs": 3,
        "feature_scale": scale, "seed": 3, "device": "cpu", "precision": "fp32",
        "outpath": photos / "runs" / scale,
    }  # fmt: skip
    return train(load_training(None, flags)).path
