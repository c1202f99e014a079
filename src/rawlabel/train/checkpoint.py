"""Checkpoints: whole or not there, and loaded without running anything that a file may hold."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from rawlabel.errors import CheckpointError
from rawlabel.files import atomic_write

FORMAT = 1
_KEYS = {"format", "config", "class_ids", "num_samples", "epoch", "method"}


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors, numbers, texts, lists and dicts of these). Raises `DiskError`."""
    # torch's writer hides a full disk behind an error of its own, so it writes to memory first.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **content}, buffer)
    with atomic_write(path) as stream:
        stream.write(buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the processor's memory; raises `CheckpointError` when damaged or foreign."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint; train first or check the run directory") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: is damaged or no checkpoint; remove it and start the run again") from error
    if not isinstance(content, dict) or not content.keys() >= _KEYS or content["format"] != FORMAT:
        raise CheckpointError(f"{path}: is not a checkpoint of this rawlabel; remove it and start the run again")
    return content
