"""What becomes of a network's weights, epoch by epoch, as `--track-weights` asks.

``norm``
    `w_norm`: the Euclidean norm of each layer's weights after the epoch;
``change``
    `weight_change`: the absolute value of the mean over a layer's weights of their change in the epoch;
``filters``
    the same, and in filter_weights/ a file for each epoch (`00012.npz`) that holds, for each convolution, an array
    [out channels, in channels] of the absolute mean change of each filter's kernel.

Layers have the names that torch gives them. As in the published trainer, `w_norm` leaves out weights of one
dimension.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rawlabel.artifacts.log_entry import WeightMeasures
from rawlabel.base.files import atomic_write


def layer_weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameter `weight` of each layer that has one, by the layer's name."""
    return {
        name: module.weight
        for name, module in network.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    }


class WeightTracker:
    """Follows one network; `kind` is norm, change, filters or None for nothing."""

    def __init__(self, kind: str | None, network: nn.Module, folder: Path) -> None:
        """Begin with the weights as they are; filters go to `folder`."""
        self._kind, self._network, self._filters = kind, network, folder / "filter_weights"
        self._before: dict[str, Tensor] = self._copy() if kind in ("change", "filters") else {}

    def measure(self, epoch: int) -> WeightMeasures:
        """The log's entry for `epoch`, which has just ended. Raises `DiskError`."""
        if self._kind is None:
            return {}
        if self._kind == "norm":
            weights = layer_weights(self._network).items()
            return {"w_norm": {name: float(one.detach().float().norm()) for name, one in weights if one.dim() > 1}}
        now = self._copy()
        changes = {name: one - self._before[name] for name, one in now.items()}
        self._before = now
        if self._kind == "filters":
            self._write_filters(epoch, changes)
        return {"weight_change": {name: float(one.mean().abs()) for name, one in changes.items()}}

    def state_dict(self) -> dict[str, Tensor]:
        """The weights after the last epoch, which a run that goes on must compare with."""
        return self._before

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from `state_dict`; from the weights as they are where that is of a run that followed none."""
        self._before = state or (self._copy() if self._kind in ("change", "filters") else {})

    @torch.no_grad()
    def _copy(self) -> dict[str, Tensor]:
        # Copied even where it is on the processor already: the optimizer changes weights in place.
        return {
            name: one.to("cpu", torch.float32, copy=True) for name, one in layer_weights(self._network).items()
        }

    def _write_filters(self, epoch: int, changes: dict[str, Tensor]) -> None:
        filters = {name: one.mean(dim=(2, 3)).abs().numpy() for name, one in changes.items() if one.dim() == 4}
        with atomic_write(self._filters / f"{epoch:05d}.npz") as stream:
            np.savez(stream, **filters)  # type: ignore[arg-type]
