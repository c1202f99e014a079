"""Make training faster where a measurement says so."""

from __future__ import annotations

import copy
import time
import warnings
from typing import Literal, NotRequired, TypedDict

import torch
from torch import nn

from rawlabel.base import distributed
from rawlabel.config import TrainConfig
from rawlabel.models.device import synchronize
from rawlabel.models.memory import images_at_once
from rawlabel.models.predictor import Predictor

LONG_RUN = 2000
"""Steps below which compiling (up to a minute) is not tried by itself."""
_TRIAL_STEPS = 20


class Compiling(TypedDict):
    """What was found about compiling, as `timing.jsonl` has it."""

    chosen: Literal["compiled", "eager"]
    step_seconds: NotRequired[dict[str, float]]
    """Of either."""
    failed: NotRequired[str]
    """The error that the compiler ended with."""


def compile_if_faster(predictor: Predictor, config: TrainConfig, num_steps: int) -> Compiling | None:
    """Compile the method's network in place if `config` and a timed trial say so; return what was found, if any.

    The trial runs on a copy, so that nothing of it is left in the weights. A network that cannot be compiled is
    trained as it is.
    """
    if config.compile == "off" or (config.compile == "auto" and not _can_pay(predictor.device, num_steps)):
        return None
    network = predictor.method.network
    if config.compile == "on":
        network.compile()
        return {"chosen": "compiled"}
    found: Compiling
    try:
        with torch.random.fork_rng([predictor.device] if predictor.device.type == "cuda" else []):
            seconds = _trial(predictor, config)
        is_faster = seconds["compiled"] < seconds["eager"]
        found = {"chosen": "compiled" if is_faster else "eager", "step_seconds": seconds}
    except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
        warnings.warn(f"--compile auto: {type(error).__name__}; training goes on without it", stacklevel=2)
        found = {"chosen": "eager", "failed": type(error).__name__}
    # Several processes do the same: they wait for the slowest anyway.
    found = distributed.from_first(lambda: found)
    if found["chosen"] == "compiled":
        network.compile()
    return found


def _can_pay(device: torch.device, num_steps: int) -> bool:
    """Whether so many steps on the device can win back what the trial and the compiler take."""
    return device.type == "cuda" and num_steps > LONG_RUN


def _trial(predictor: Predictor, config: TrainConfig) -> dict[str, float]:
    """Median seconds of a forward and backward pass, eager and compiled."""
    size = config.image_size
    images = torch.randn(images_at_once(config), 3, size, size, device=predictor.device)
    images = images.to(memory_format=torch.channels_last)
    seconds = {}
    for name in ("eager", "compiled"):
        network = copy.deepcopy(predictor.method.network).train()
        if name == "compiled":
            network.compile()
        times = [_timed_pass(network, images, predictor) for _ in range(_TRIAL_STEPS + 3)][3:]
        seconds[name] = sorted(times)[len(times) // 2]
    return seconds


def _timed_pass(network: nn.Module, images: torch.Tensor, predictor: Predictor) -> float:
    synchronize(predictor.device)
    started = time.perf_counter()
    precision = predictor.precision
    with torch.autocast(predictor.device.type, precision, enabled=precision != torch.float32):
        loss = network(images).float().square().mean()
    loss.backward()
    synchronize(predictor.device)
    return time.perf_counter() - started
