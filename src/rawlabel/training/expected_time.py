"""How long a run will take, said after its first steps, and what to do where that is long."""

from __future__ import annotations

from datetime import timedelta

import torch

from rawlabel.base import messages, processes
from rawlabel.config import TrainConfig
from rawlabel.images.view_size import pixels_to_come

_WORTH_SAYING, _LONG = 60.0, 3600.0
"""Seconds from which the time is said, and from which a run on a processor is told what takes minutes."""


def say_expected_time(seconds: float, config: TrainConfig, device: torch.device, epoch: int = 0) -> None:
    """Write how long the steps that are left take, without what is measured after each epoch.

    They take `seconds` if views stay as large as in `epoch`.
    """
    seconds *= pixels_to_come(config, epoch)
    if seconds < _WORTH_SAYING or not processes.is_first():
        return
    messages.inform(f"the steps will take about {rounded(seconds)} on {named(device)}", lead=messages.COMMAND)
    if device.type == "cpu" and seconds > _LONG:
        messages.inform(f"what takes minutes on a processor: {_what_takes_minutes(config)}", lead=messages.COMMAND)


def _what_takes_minutes(config: TrainConfig) -> str:
    """Flags that shorten a run, those that say something else than the run's own settings."""
    if config.finetune:
        return "--recipe transfer, which stops at the head; or fewer epochs (--epochs)"
    flags = [f"--epochs {max(1, config.epochs // 10)}"] if config.epochs > 1 else []
    flags += [f"--image-size {config.image_size // 2}"] if config.image_size >= 64 else []
    flags += ["--model small_convnet"] if config.model != "small_convnet" else []
    recipe = "--recipe transfer, a head on a frozen network; or " if config.encoder is None else ""
    return f"{recipe}fewer epochs, smaller images or a smaller network ({', '.join(flags)}), one of these or all"


def rounded(seconds: float) -> str:
    """A span of time as people say it: minutes and seconds, or hours, or days."""
    unit, name = next(
        (pair for pair in ((86400, "days"), (3600, "hours")) if seconds > 2 * pair[0]), (60, "minutes")
    )
    return f"{seconds / unit:.1f} {name}" if name != "minutes" else f"{timedelta(seconds=round(seconds))}"


def named(device: torch.device) -> str:
    """What a line calls the device on which a run computes."""
    return {"cpu": "this processor", "cuda": "this GPU", "mps": "this GPU"}.get(device.type, device.type)
