"""Sections of training: optimizer."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from rawlabel.config.declaring import Section, setting


class OptimizerSettings(Section):
    """How a step changes the weights."""

    opt: Literal["sgd", "adam", "lbfgs"] = setting(
        "sgd",
        "Optimizer; L-BFGS remembers 20 steps and heeds neither --momentum nor --weight-decay.",
    )
    batch_size: int = setting(128, "Images in a step, over all processes.", ge=2, common=True)
    accumulate: int = setting(
        1,
        "Parts in which a batch is computed one after the other: less memory for the same step. Batch norm then "
        "takes its statistics of each part.",
        ge=1,
    )
    momentum: float = setting(0.9, "Momentum of SGD.", ge=0, lt=1)
    nesterov: bool = setting(False, "Nesterov's momentum, for --opt sgd.")
    weight_decay: float = setting(1e-4, "Weight decay (L2) of SGD and Adam.", ge=0)
    weight_decay_on: Literal["all", "matrices"] = setting(
        "all",
        "What --weight-decay acts on: all parameters, as published, or those of two dimensions or more "
        "(matrices), which leaves out biases and the scales and shifts of normalization.",
    )
    scale_lr: float | None = setting(
        None, "Learning rate of the last linear layer, as a multiple of that of the others.", gt=0
    )
    layer_decay: float = setting(
        1.0,
        "With --finetune: factor of the learning rate from twelve tensors of weights to the twelve below them; "
        "the head has the whole rate.",
        gt=0,
        le=1,
    )
    exchange: Literal["fp32", "bf16"] = setting(
        "fp32",
        "What several processes exchange their gradients in: fp32, or bf16, half the bytes where the wire between "
        "machines is what a step waits for.",
    )

    @field_validator("opt", mode="before")
    @classmethod
    def _in_small_letters(cls, value: Any) -> Any:
        """The published trainer takes optimizers in capitals too."""
        return value.lower() if isinstance(value, str) else value
