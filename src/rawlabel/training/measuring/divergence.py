"""Whether a run has diverged: looked for in the loss, in the weights, and in whatever is measured for the run.

A diverged run ends with one line. Test sets are not asked: what they say must not end a run. There an answer
that is no number is wrong, and that is all.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from rawlabel.base.correctness import Logits, count_unanswered
from rawlabel.errors import ConfigError

_REMEDY = "try a lower learning rate"


def refuse_diverged(method: nn.Module, loss: float, epoch: int) -> None:
    """Look at the sum of the losses of `epoch`, and at the weights; waits for the device.

    Raises `ConfigError` that says what is not finite.
    """
    if not math.isfinite(loss):
        raise ConfigError(f"--lr: the loss became {loss} in epoch {epoch}; {_REMEDY}")
    if (name := _first_not_finite(method)) is not None:
        raise ConfigError(f"--lr: the run diverged: {name} is not finite after epoch {epoch}; {_REMEDY}")


def refuse_diverged_logits(logits: Logits, what: str, epoch: int) -> Logits:
    """Return the logits of `what`, measured in `epoch`. Raises `ConfigError` where they are not all finite."""
    if count := count_unanswered(logits):
        raise ConfigError(
            f"--lr: the run diverged: after epoch {epoch} the network's answers to {count} of {len(logits)} "
            f"{what} are no numbers; {_REMEDY}"
        )
    return logits


@torch.no_grad()
def _first_not_finite(method: nn.Module) -> str | None:
    """Name of the first parameter, or buffer of a network, that holds a NaN or an infinity."""
    # Buffers of the method itself may mark with NaN what they do not know yet.
    named = [*method.named_parameters(), *(pair for pair in method.named_buffers() if "." in pair[0])]
    floats = [(name, one.isfinite().all()) for name, one in named if one.is_floating_point()]
    are_finite = torch.stack([good for _, good in floats]).tolist() if floats else []
    return next((name for (name, _), good in zip(floats, are_finite, strict=True) if not good), None)
