"""The knobs of the published trainer that other settings of training do not cover, and what stands beside them."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator

from rawlabel.config.declaring import Section, setting

_LOSSES = {"cross": "cross_entropy", "entropy": "cross_entropy", "l2_squared": "l2", "squared": "l2", "MSE": "l2"}

_Schedule = Literal["auto", "step", "cosine", "cosine_restarts", "constant", "cyclic", "inverse_sqrt"]


class TrainerSettings(Section):
    """Optimizer, schedule, network, and what is recorded and printed on the way."""

    replaced: ClassVar[dict[str, str]] = {
        "distributed": "start several processes with `torchrun --nproc-per-node N -m rawlabel train` instead",
    }

    opt: Literal["sgd", "adam", "lbfgs"] = setting(
        "sgd",
        "Optimizer; L-BFGS remembers 20 steps and heeds neither --momentum nor --weight-decay.",
    )
    nesterov: bool = setting(False, "Nesterov's momentum, for --opt sgd.")
    loss: Literal["cross_entropy", "l2", "cross", "entropy", "l2_squared", "squared", "MSE"] = setting(
        "cross_entropy",
        "Loss of --method cross_entropy: its own, or the mean squared error between logits and one-hot labels "
        "(l2); the others are the published spellings of these two.",
    )
    schedule_lr: bool = setting(False, "As published, short for --lr-schedule cyclic.")
    use_inverse_sqrt_lr: bool = setting(False, "As published, short for --lr-schedule inverse_sqrt.")
    lr_schedule: _Schedule = setting(
        "auto",
        "Learning rate: step (--decay-rate every --decay-epochs, or at each --decay-at), cosine (to --min-lr at "
        "the end of the run), cosine_restarts (the same in every --restart-epochs), constant, cyclic (between a "
        "hundredth of --lr and --lr), inverse_sqrt (--lr over the root of 1 + steps / --inverse-rate); auto is "
        "step.",
    )
    min_lr: float = setting(0.0, "Lowest rate of --lr-schedule cosine and cosine_restarts.", ge=0)
    restart_epochs: int = setting(10, "Period of --lr-schedule cosine_restarts [epochs].", ge=1)
    warmup_epochs: float = setting(0.0, "Rise of the rate from 0, in a line, at the start [epochs].", ge=0)
    cycle_steps: int = setting(2000, "Half a cycle of --lr-schedule cyclic [steps].", ge=1)
    inverse_rate: float = setting(512.0, "After how many steps inverse_sqrt stands at 0.71 of --lr [steps].", gt=0)
    scale_lr: float | None = setting(
        None, "Learning rate of the last linear layer, as a multiple of that of the others.", gt=0
    )
    network_config: tuple[str, ...] = setting(
        (),
        "Option of the network's constructor: KEY=VALUE, may be given several times, or one JSON object.",
        also="model_config",
        flags=("--model-config",),
    )
    num_planes: int | None = setting(
        None,
        "Width of the network's first stage, of which the later ones are multiples [channels]; for residual "
        "networks; by default the network's own, 64 or, for cifar_resnet*, 16.",
        ge=1,
    )
    norandomcrop: bool = setting(False, "Leave the random crop out of the augmentation.")
    norandomflip: bool = setting(False, "Leave the random flip out of the augmentation.")
    print_freq: int | None = setting(
        None, "Print time, loss and accuracy of every so many steps to the standard output [steps].", ge=1
    )
    gpu: int | None = setting(None, "Index of the GPU to compute on, counted from 0.", ge=0)
    resume: str | None = setting(
        None,
        "Checkpoint to go on from: a run directory or its checkpoints/last.pt, weights of a run (.safetensors), "
        "or a published checkpoint (.pth.tar); one that is not there is said and left.",
    )
    start_epoch: int = setting(
        0, "Epoch to start at, counted from 0; a checkpoint to go on from brings its own.", ge=0
    )
    evaluate: bool = setting(
        False, "Measure the test accuracy of --resume, or of the run's selected epoch, and quit."
    )
    track_correct: bool = setting(
        False, "Write which test images the last measured epoch got right to correct.json in the run directory."
    )
    compute_jacobian: bool = setting(
        False,
        "Log after each epoch, for each layer, the norm of the product of the network's Jacobian and a "
        "random vector (`J_norm`).",
    )
    track_weights: Literal["norm", "change", "filters"] | None = setting(
        None,
        "Log after each epoch, for each layer, the norm of the weights (`w_norm`; the flag alone means this), "
        "their mean change (`weight_change`), or that and the change of each filter in filter_weights/.",
        bare="norm",
    )
    details: str | None = setting(None, "Words about the experiment, kept in config.json.")

    @field_validator("opt", "loss", "track_weights", "resume", mode="before")
    @classmethod
    def _published_spelling(cls, value: Any, info: ValidationInfo) -> Any:
        """The published trainer takes optimizers in capitals too; its files say false, null or "" for nothing."""
        if info.field_name == "opt" and isinstance(value, str):
            return value.lower()
        if info.field_name == "loss" and isinstance(value, str):
            return _LOSSES.get(value, value)
        if info.field_name == "track_weights" and isinstance(value, bool):
            return "norm" if value else None
        return None if value == "" else value

    @field_validator("network_config", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """An object, as a file may have it, becomes the pairs that the flag takes."""
        if isinstance(value, dict):
            return tuple(f"{key}={json.dumps(one)}" for key, one in value.items())
        return value or ()

    @field_validator("lr_schedule")
    @classmethod
    def _settle_schedule(cls, value: str, info: ValidationInfo) -> str:
        """The published flags choose a schedule, and so may contradict another choice."""
        flags = {"schedule_lr": "cyclic", "use_inverse_sqrt_lr": "inverse_sqrt"}
        chosen = [name for name in flags if info.data.get(name)]
        if not chosen:
            return "step" if value == "auto" else value
        asked = flags[chosen[0]]
        if len(chosen) > 1 or value not in ("auto", asked):
            names = " and ".join(f"--{name.replace('_', '-')}" for name in chosen)
            raise ValueError(f"{names} ask for another schedule; leave all but one out")
        return asked
