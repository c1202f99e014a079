"""Features of a network: what reaches its last linear layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from rawlabel.models.method import Method
from rawlabel.models.networks.building import last_linear


@contextmanager
def features_heard(method: Method[Any]) -> Iterator[list[Tensor]]:
    """Collect, for each pass of the network that predicts, the input of its head, on the processor.

    The list stays empty for a network without a linear layer.
    """
    head = last_linear(method.predicting_network)
    heard: list[Tensor] = []

    def listen(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        heard.append(inputs[0].detach().float().cpu())

    hook = head[1].register_forward_hook(listen) if head else None
    try:
        yield heard
    finally:
        if hook is not None:
            hook.remove()


def joined(heard: Sequence[Tensor], count: int) -> npt.NDArray[np.float32] | None:
    """The pieces as one array [count, features]; None where the head was not passed exactly once an image, or its
    input has other axes.
    """
    if not heard or any(one.dim() != 2 for one in heard):
        return None
    features = np.concatenate([one.numpy() for one in heard])
    return features if len(features) == count else None
