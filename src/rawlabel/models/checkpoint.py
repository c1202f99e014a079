"""Checkpoints: whole or not there, and loaded without running anything that a file may hold.

Weights are safetensors files, with what else is needed to use them as JSON in their metadata. What is needed to
go on (the optimizer's state and the like) is in a file of its own, which names the weights it belongs to. It takes
its name after the weights have theirs, so that the two always fit.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rawlabel.base import processes
from rawlabel.base.files import atomic_write, disk_errors
from rawlabel.base.json_values import JsonObject
from rawlabel.errors import CheckpointError


class NormalizationFacts(TypedDict):
    """Mean and deviation by channel, as shares of the largest value."""

    mean: Sequence[float]
    std: Sequence[float]


class WeightsFacts(TypedDict):
    """What is needed to use weights, as JSON beside them."""

    config: JsonObject
    class_ids: list[str]
    num_samples: int
    epoch: int
    normalization: NotRequired[NormalizationFacts]
    """Missing in files of older versions."""
    encoder: NotRequired[JsonObject]


class SavedWeights(WeightsFacts):
    """The same with the weights."""

    format: int
    method: dict[str, Tensor]


class _Progress(TypedDict):
    step: int
    data: str
    """Fingerprint of the training data."""
    optimizer: dict[str, Any]
    """As torch has it."""
    records: list[dict[str, Any]]
    """Fields of each epoch's `EpochRecord`."""
    statistics: dict[str, Any]
    """Fields of `RunningStatistics`."""
    predictions: Tensor
    samples: dict[str, Tensor]
    weights_before: NotRequired[dict[str, Tensor]]
    random: Tensor
    buffers: NotRequired[list[dict[str, Tensor]] | None]


class RunState(_Progress):
    """What is needed to go on beside the weights; `epoch` is the one to go on with."""

    epoch: int


class SavedRun(SavedWeights, _Progress):
    """State, facts and weights together."""

    weights: str
    """File of the weights."""


FORMAT = 2
_FACTS = ("config", "class_ids", "num_samples", "epoch")
_WEIGHTS = "weights"


def save_weights(path: Path, weights: Mapping[str, Tensor], facts: WeightsFacts) -> None:
    """Write `weights`, none of which share memory, and the JSON values `facts`.

    Of several processes, the first does. Raises `DiskError`.
    """
    if not processes.is_first():
        return
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    with atomic_write(path) as stream:
        stream.write(save(tensors, {"rawlabel": json.dumps({"format": FORMAT, **facts})}))


def load_weights(path: Path) -> SavedWeights:
    """Read the facts of a weights file, and its tensors under `method`. Raises `CheckpointError`."""
    if not path.exists():
        raise CheckpointError(f"{path}: no such checkpoint; train first or check the run directory")
    try:
        with safe_open(path, "pt") as stream:
            facts = json.loads((stream.metadata() or {}).get("rawlabel", "{}"))
            content = {**facts, "method": {name: stream.get_tensor(name) for name in stream.keys()}}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, struct.error) as error:
        raise CheckpointError(f"{path}: is damaged or no checkpoint; remove it and start the run again") from error
    return cast("SavedWeights", _checked(path, content, {"format", "method", *_FACTS}))


def save_checkpoint(path: Path, weights: Mapping[str, Tensor], facts: WeightsFacts, state: RunState) -> None:
    """Write `state` (tensors, numbers, texts, lists and dicts of these) to `path`, and the weights beside it.

    `facts` are those of `save_weights`. Of several processes, the first writes. Raises `DiskError`.
    """
    if not processes.is_first():
        return
    name = f"{path.stem}-{facts['epoch']:05d}-{state['step']:07d}.safetensors"
    save_weights(path.parent / name, weights, facts)
    # torch's writer hides a full disk behind an error of its own, so it writes to memory first.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, _WEIGHTS: name, **state}, buffer)
    with atomic_write(path) as stream:
        stream.write(buffer.getbuffer())
    for old in path.parent.glob(f"{path.stem}-*.safetensors"):
        if old.name != name:
            with disk_errors(old):
                old.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> SavedRun:
    """Read what `save_checkpoint` wrote, state, facts and weights together, to the processor's memory.

    Raises `CheckpointError` when something is damaged or foreign.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint; train first or check the run directory") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: is damaged or no checkpoint; remove it and start the run again") from error
    state = _checked(path, state, {"format", _WEIGHTS})
    weights = path.parent / Path(str(state[_WEIGHTS])).name
    if not weights.exists():
        raise CheckpointError(f"{path}: its weights {weights.name} are missing; remove it and start the run again")
    return cast("SavedRun", {**load_weights(weights), **state})


def _checked(path: Path, content: object, keys: set[str]) -> Mapping[str, object]:
    if not isinstance(content, dict) or not content.keys() >= keys or content["format"] != FORMAT:
        raise CheckpointError(f"{path}: is not a checkpoint of this rawlabel; remove it and start the run again")
    return content
