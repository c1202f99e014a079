"""Weights of encoders: from files, from a hub, and what tells equal ones."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rawlabel.errors import CheckpointError


def hub_errors() -> tuple[type[Exception], ...]:
    """What says that weights cannot be had.

    A connection that breaks is told by the hub's client library, another one in each of the hub's versions.
    """
    from huggingface_hub.errors import HfHubHTTPError

    client = (one for one in HfHubHTTPError.__mro__ if one.__name__ == "HTTPError" and issubclass(one, Exception))
    return (OSError, *client)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a file of weights by name; nothing in the file is run. Raises `CheckpointError`."""
    from safetensors import SafetensorError
    from timm.models import load_state_dict

    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; check --weights")
    try:
        # timm unwraps `state_dict`, `model` and the like, and a prefix `module.`.
        weights: dict[str, Any] = load_state_dict(str(path), use_ema=True, device="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        ValueError,
        KeyError,
        EOFError,
        SafetensorError,
        pickle.UnpicklingError,
    ) as error:
        raise CheckpointError(f"{path}: holds no weights that can be read safely; check --weights") from error
    if not weights or not all(isinstance(one, Tensor) for one in weights.values()):
        raise CheckpointError(f"{path}: holds more or less than the weights of a network; check --weights")
    return weights


def load_headless(
    network: nn.Module, weights: dict[str, Tensor], heads: tuple[str, ...], path: Path, name: str, flag: str
) -> None:
    """Load `weights` of `path` into a network without a head, leaving out those of the layers `heads`.

    All else must fit. Raises `CheckpointError` that names the file.
    """
    kept = {key: value for key, value in weights.items() if key.rpartition(".")[0] not in heads}
    try:
        missing, unexpected = network.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split(":", 1)[-1].split())[:200]
        raise CheckpointError(f"{path}: does not fit {name} ({reason}); check {flag}") from error
    # Older files lack this counter, which features do not depend on.
    wrong = [key for key in missing if not key.endswith("num_batches_tracked")] + unexpected
    if wrong:
        what = "lacks" if wrong[0] in missing else "has"
        raise CheckpointError(
            f"{path}: does not fit {name} ({what} '{wrong[0]}'; {len(wrong)} names differ); check {flag}"
        )


def hash_weights(network: nn.Module) -> str:
    """SHA-256 (hex) of a network's parameters and buffers with their names: equal weights, equal features."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def frozen(network: nn.Module) -> nn.Module:
    """`network` to be asked only, in the layout of memory that convolutions are fastest in."""
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
