"""All layers of an encoder after its head (`--finetune`): what goes before the steps, and which weights stay."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax
from torch import Tensor

from rawlabel.artifacts.evidence.weights import WEIGHTS_CHOICE, WeightsChoice, WeightsScore
from rawlabel.artifacts.log_entry import TestAccuracies
from rawlabel.artifacts.run import FROZEN
from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.artifacts.run_records import EncoderRecord
from rawlabel.base import distributed, messages, processes
from rawlabel.base.correctness import is_right
from rawlabel.base.files import atomic_write, disk_errors, write_json
from rawlabel.config import TrainConfig
from rawlabel.config.recipe import read_recipe
from rawlabel.errors import ConfigError
from rawlabel.images.image_source import LabeledImages
from rawlabel.images.loader import steps_per_epoch
from rawlabel.images.view_size import image_size_at
from rawlabel.models.checkpoint import SavedWeights, WeightsFacts, load_weights, save_weights
from rawlabel.models.device import synchronize
from rawlabel.models.encoder import load_encoder
from rawlabel.models.method import Batch
from rawlabel.models.predictor import Predictor, build_predictor
from rawlabel.models.transfer.choice import calibrated_losses, class_balanced
from rawlabel.models.transfer.whole import load_heads, mixed
from rawlabel.training.around.choosing import is_balanced
from rawlabel.training.data import TrainingData
from rawlabel.training.expected_time import named, rounded
from rawlabel.training.image_cache import images_to_measure

Evaluator = Callable[[Predictor], TestAccuracies]
SHARES = {"frozen": 0.0, "averaged": 0.5, "fine-tuned": 1.0}
"""How far from the frozen to the fine-tuned weights each candidate lies."""
_OWN = frozenset({"encoder", "weighing", "choose", "candidate"})
"""Settings of the recipe that are about the head."""
_OF_HEAD = ("method", "method_option", "weighing", "weighing_power", "feature_scale", "hidden")
_WITHOUT_HOLDOUT = "averaged"
"""Kept where no raw label can tell: a bet between the two others, on which nothing was measured."""
_TRIAL_IMAGES, _TRIAL_PASSES = 8, 3
_LIKE_STEPS = 1.15
"""A step takes longer than its passes (the optimizer, the mean of weights, the measuring of epochs): a guess."""


def frozen_run(run: RunDirectory) -> RunDirectory:
    """The run that trains the head of `run` on frozen features."""
    return RunDirectory(run.path / FROZEN)


def refuse_others(config: TrainConfig) -> None:
    """Raise `ConfigError` for what a head on features can and fine-tuning cannot."""
    for key in ("student", "confident_learning", "refit"):
        if getattr(config, key):
            flag = key.replace("_", "-")
            raise ConfigError(f"--{flag}: does not go with --finetune; leave it out, or use --recipe transfer")


def of_head(config: TrainConfig, run: RunDirectory) -> TrainConfig:
    """Settings of the head's own run: those of the recipe transfer, and what `config` says of the head."""
    usual, transfer = TrainConfig().model_dump(), read_recipe("transfer")
    others = {key: transfer.get(key, usual[key]) for key in read_recipe("finetune") if key not in _OWN}
    # The side of the views is settled for the run around it, which may go on by what it kept; no head heeds one.
    others |= {"stop": usual["stop"], "image_size": usual["image_size"]}
    if not config.candidate:
        others["candidate"] = transfer["candidate"]
    if config.choose == "off":
        others["weight_decay"] = transfer["weight_decay"]
    place = {"outpath": frozen_run(run).path, "resume": None, "start_epoch": 0, "finetune": False}
    return TrainConfig.model_validate(config.model_dump() | others | place)


def settled_by(config: TrainConfig, run: RunDirectory) -> TrainConfig:
    """`config` with what the head's finished run settled, and the side of the views that the encoder takes."""
    head = frozen_run(run).read().config
    assert config.encoder is not None
    side = load_encoder(config.encoder, config.weights).image_size
    return config.model_copy(update={**{key: getattr(head, key) for key in _OF_HEAD}, "image_size": side})


def begin(config: TrainConfig, predictor: Predictor, run: RunDirectory) -> None:
    """Give the networks of `predictor` the head that was trained on frozen features, and note the encoder."""
    load_heads(predictor.method, _frozen_weights(run)["method"])
    if not processes.is_first():
        return
    noted = frozen_run(run).read().encoder
    assert noted is not None
    record: EncoderRecord = noted.model_copy(update={"is_finetuned": True})
    write_json(run.path / "encoder.json", record.as_json())


def say_expected_time(config: TrainConfig, data: TrainingData) -> None:
    """Write how long fine-tuning will take, by a few passes at the first and the last size of the views."""
    assert config.encoder is not None
    side = load_encoder(config.encoder, config.weights).image_size
    config = config.model_copy(update={"image_size": side, "ema": 0.0})
    predictor = build_predictor(config, len(data.train), len(data.class_ids))
    sizes = [image_size_at(config, epoch) for epoch in range(config.epochs)]
    pixels = {size: _pass_seconds(predictor, size) / size**2 for size in {sizes[0], sizes[-1]}}
    slowest = max(pixels.values())  # of the two: a small view has fewer pixels to hide a layer's overhead behind
    images = steps_per_epoch(len(data.train), config.batch_size) * config.batch_size
    seconds = _LIKE_STEPS * images * sum(pixels.get(size, slowest) * size**2 for size in sizes)
    if processes.is_first():
        messages.inform(
            f"fine-tuning {config.encoder} will take about {rounded(seconds)} on {named(predictor.device)}, after "
            f"the head: {config.epochs} epochs of {len(data.train)} photos; --recipe transfer stops at the head",
            lead=messages.COMMAND,
        )


def _pass_seconds(predictor: Predictor, size: int) -> float:
    """Seconds an image of a step's passes, there and back."""
    views = torch.zeros((_TRIAL_IMAGES, size, size, 3), dtype=torch.uint8)
    labels = torch.zeros(_TRIAL_IMAGES, dtype=torch.int64, device=predictor.device)
    batch = Batch(predictor.normalizer(views.to(predictor.device)), labels, labels)
    best = float("inf")
    predictor.method.train()
    for _ in range(_TRIAL_PASSES):
        started = time.perf_counter()
        with torch.autocast(
            predictor.device.type, predictor.precision, enabled=predictor.precision != torch.float32
        ):
            loss = predictor.method(batch).loss
        loss.backward()
        synchronize(predictor.device)
        best = min(best, time.perf_counter() - started)
    return best / _TRIAL_IMAGES


def choose_weights(
    config: TrainConfig, data: TrainingData, run: RunDirectory, evaluator: Evaluator | None
) -> WeightsChoice:
    """Of frozen, fine-tuned and averaged weights, keep those that the held-out raw labels are likeliest under.

    Every class counts the same where it does in the choice of the head. What is kept becomes the selected weights
    of `run`; the fine-tuned ones stay beside them, so that a run which was killed in between goes on. `evaluator`
    measures each, for people, once it is decided. Raises what reading images raises.
    """
    tuned = distributed.from_first(lambda: _fine_tuned(run))
    predictor = build_predictor(config, len(data.train), len(data.class_ids))
    load_heads(predictor.method, _frozen_weights(run)["method"])
    frozen = {key: one.detach().cpu().clone() for key, one in predictor.method.state_dict().items()}
    states = {name: mixed(predictor.method, frozen, tuned["method"], share) for name, share in SHARES.items()}
    even = is_balanced(config, data) and len(data.holdout) > 0
    counted = class_balanced(data.holdout.labels) if even else np.ones(len(data.holdout))
    scores = {name: _on_holdout(predictor, state, data.holdout, counted) for name, state in states.items()}
    told = {name: score.loss for name, score in scores.items() if score.loss is not None}
    chosen = min(told, key=lambda name: told[name], default=_WITHOUT_HOLDOUT)
    if evaluator is not None:
        for name, state in states.items():
            predictor.method.load_state_dict(state)
            found = evaluator(predictor).get("test")
            scores[name] = scores[name].model_copy(update={"test_accuracy": found and found["acc1"]})
    facts = cast("WeightsFacts", {key: value for key, value in tuned.items() if key not in ("method", "format")})
    save_weights(run.selected_checkpoint, states[chosen], facts)
    held = len(data.holdout)
    choice = WeightsChoice(chosen=chosen, holdout_images=held, is_balanced=even, candidates=scores)
    if processes.is_first():
        write_json(run.path / WEIGHTS_CHOICE, choice.as_json())
        messages.inform(choice.describe())
    return choice


def _on_holdout(
    predictor: Predictor, state: dict[str, Tensor], holdout: LabeledImages, counted: npt.NDArray[np.float64]
) -> WeightsScore:
    if not len(holdout):
        return WeightsScore()
    predictor.method.load_state_dict(state)
    images = images_to_measure(holdout.source, predictor, processes.own_cores(), "reading holdout images")
    logits = predictor.logits(images)
    said = softmax(logits.astype(np.float32), axis=1)
    return WeightsScore(
        accuracy=100 * float((counted * is_right(logits, holdout.labels)).mean()),
        loss=float((counted * calibrated_losses(said, holdout.labels)).mean()),
    )


def _fine_tuned(run: RunDirectory) -> SavedWeights:
    """The weights of the selected epoch, set aside before others take their name."""
    path = run.selected_checkpoint.with_name("fine_tuned.safetensors")
    if not path.exists():
        with disk_errors(path), atomic_write(path) as stream:
            stream.write(run.selected_checkpoint.read_bytes())
    return load_weights(path)


def _frozen_weights(run: RunDirectory) -> SavedWeights:
    return distributed.from_first(lambda: load_weights(frozen_run(run).selected_checkpoint))
