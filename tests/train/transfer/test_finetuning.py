"""Fine-tuning after the head: what is trained at which rate, which weights stay, and that a kill changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rawlabel import cli
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.config import EvaluateConfig, PredictConfig, TrainConfig, load_training
from rawlabel.errors import ConfigError
from rawlabel.judge.evaluate.stage import evaluate, make_epoch_evaluator
from rawlabel.models.checkpoint import load_weights
from rawlabel.models.encoder import load_encoder
from rawlabel.models.predict import predict
from rawlabel.models.predictor import load_predictor
from rawlabel.models.transfer.head import FeatureHead
from rawlabel.models.transfer.whole import WholeNetwork, rate_scales
from rawlabel.training.around import finetuning
from rawlabel.training.stage import train
from tests.helpers.backbone import BACKBONE, weights
from tests.helpers.runs import Crash, assert_same_run, crashing_after, same_weights
from tests.helpers.tiny_training import data

__all__ = ["data", "weights"]


def settings(data: Path, weights: Path, out: Path, **changes: Any) -> TrainConfig:
    """The recipe, with an encoder and a head that take a blink."""
    flags = {
        "recipe": "finetune", "root": data, "main": "candidate", "test": "test", "outpath": out,
        "encoder": BACKBONE, "weights": weights, "epochs": 3, "batch_size": 16, "holdout": 0.2, "seed": 7,
        "device": "cpu", "inject_noise": 0.3, "candidate": ("weighing=soft weight_decay=0.03",), "lr": 1e-3,
        "progressive_from": 96, "stop_option": (),
    }  # fmt: skip
    return load_training(None, flags | changes)


@pytest.fixture(scope="module")
def whole(data: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return train(settings(data, weights, tmp_path_factory.mktemp("whole") / "run"), make_epoch_evaluator)


def test_it(whole):
    print(whole.path); print(json.dumps(whole.log(), indent=0)[:3000]); print((whole.path/"weights_choice.json").read_text()); print(whole.summary())
