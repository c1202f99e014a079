"""A network of timm that is small enough to be built in a blink, with weights of no training."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

BACKBONE = "test_resnet.r160_in1k"


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights with the head of 1000 classes, as the hub has them."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_file(timm.create_model(BACKBONE).state_dict(), path)
    return path
