"""Make training faster where a measurement says so, and say what to do when memory runs out."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from rawlabel.config import TrainConfig
from rawlabel.errors import ConfigError
from rawlabel.train import distributed
from rawlabel.train.predictor import Predictor

LONG_RUN = 2000
"""Steps below which compiling (up to a minute) is not tried by itself."""
_TRIAL_STEPS = 20


def compile_if_faster(predictor: Predictor, config: TrainConfig, num_steps: int) -> dict[str, Any]:
    """Compile the method's network in place if `config` and a timed trial say so; return what was found, if any.

    The trial runs on a copy, so that nothing of it is left in the weights. A network that cannot be compiled is
    trained as it is.
    """
    is_gpu = predictor.device.type == "cuda"
    if config.compile == "off" or (config.compile == "auto" and not (is_gpu and num_steps > LONG_RUN)):
        return {}
    network = predictor.method.network
    if config.compile == "on":
        network.compile()
        return {"chosen": "compiled"}
    found: dict[str, Any]
    try:
        with torch.random.fork_rng([predictor.device]):
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
    torch.cuda.synchronize(predictor.device)
    started = time.perf_counter()
    precision = predictor.precision
    with torch.autocast(predictor.device.type, precision, enabled=precision != torch.float32):
        loss = network(images).float().square().mean()
    loss.backward()
    torch.cuda.synchronize(predictor.device)
    return time.perf_counter() - started


def images_at_once(config: TrainConfig) -> int:
    """Images that one process computes at once."""
    return max(2, config.batch_size // config.accumulate // distributed.count())


@contextmanager
def memory_errors(config: TrainConfig) -> Iterator[None]:
    """Turn a lack of memory into a `ConfigError` that says what to try."""
    try:
        yield
    except RuntimeError as error:
        # On the processor torch has no exception of its own for it.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        smaller = max(2, images_at_once(config) // 2) * distributed.count()
        raise ConfigError(
            f"--batch-size: out of memory with {images_at_once(config)} images of "
            f"{config.image_size} pixels at once; try --accumulate {2 * config.accumulate}, which keeps the step, "
            f"or --batch-size {smaller}"
        ) from error
