"""Some of the settings of training by name: recipes, and what a scale or a method changes in one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict


class TrainSettings(TypedDict, total=False):
    """Settings that experiments give; `TrainConfig` says what each means and checks it, and has more."""

    root: Path
    main: str
    test: str
    train_size: int
    test_size: int
    """Of test images that are drawn for it; the one that is no setting of training."""
    inject_noise: float
    holdout: float
    image_size: int
    augment: Literal["crop_flip", "none"]
    model: str
    num_planes: int
    encoder: str
    hidden: int
    weighing: Literal["none", "agreement", "soft"]
    method: str
    method_option: tuple[str, ...]
    student: bool
    confident_learning: bool
    ema: float
    epochs: int
    batch_size: int
    opt: Literal["sgd", "adam", "lbfgs"]
    lr: float
    lr_schedule: Literal["step", "cosine", "cosine_restarts", "constant"]
    min_lr: float
    decay_rate: float
    decay_epochs: int
    decay_at: tuple[int, ...]
    decay_max_epochs: int
    restart_epochs: int
    warmup_epochs: float
    momentum: float
    nesterov: bool
    weight_decay: float
    stop_option: tuple[str, ...]
    train_accuracy: tuple[Literal["probe", "full", "augmented"], ...]
    keep_predictions: bool
    compile: Literal["auto", "on", "off"]
    cache: Literal["auto", "none", "memory", "device"]
