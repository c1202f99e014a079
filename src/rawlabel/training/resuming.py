"""Where a run begins: at its own last checkpoint, at another run's, with published weights, or anew."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from rawlabel.artifacts.run_directory import RunDirectory
from rawlabel.base import messages, processes
from rawlabel.base.files import atomic_write, disk_errors
from rawlabel.config import TrainConfig
from rawlabel.errors import CheckpointError, ConfigError
from rawlabel.models.checkpoint import RunState, WeightsFacts, load_checkpoint, load_weights
from rawlabel.models.networks.normalization import IMAGENET, Normalization

# torch.nn.DataParallel, in which the published trainer wraps networks, puts this before the names of their parts.
_WRAPPER = re.compile(r"(^|\.)module\.")


@dataclass(frozen=True)
class PublishedCheckpoint:
    """What a checkpoint of the published trainer says."""

    network: dict[str, Tensor]
    epoch: int
    """The epoch to go on with: the one before it is done."""


@dataclass(frozen=True)
class Start:
    """Where a run begins: with everything in `checkpoint`, or else at `epoch`, with weights if there are any."""

    epoch: int = 0
    checkpoint: Path | None = None
    weights: dict[str, Tensor] | None = None
    """Of the whole method."""
    network: dict[str, Tensor] | None = None
    """Of its network."""
    normalization: Normalization | None = None
    """What these weights, of the method or the network, expect of pixels."""


def find_start(config: TrainConfig, run: RunDirectory) -> Start:
    """Where `run` begins, by what is in its directory, or else by --resume and --start-epoch.

    Another run's log and selected weights are taken over, for its epochs are the first of this one. Raises
    `CheckpointError`, `ConfigError`, `DataError`, `DiskError`.
    """
    if run.last_checkpoint.exists():
        return Start(checkpoint=run.last_checkpoint)
    path = existing_checkpoint(config)
    if path is None:
        start = Start(0 if config.resume else config.start_epoch)
    elif path.suffix == ".safetensors":
        saved = load_weights(path)
        _refuse_other_model(config, saved, path)
        normalization = Normalization.of_weights_file(saved)
        start = Start(config.start_epoch, weights=saved["method"], normalization=normalization)
    elif (published := read_published(path)) is not None:
        start = Start(published.epoch, network=published.network, normalization=IMAGENET)
    else:
        _refuse_other_model(config, load_checkpoint(path), path)
        _take_over(RunDirectory(path.parent.parent), path, run, config.epochs)
        return Start(checkpoint=path)
    if start.epoch >= config.epochs:
        raise ConfigError(f"--epochs: the run would start at epoch {start.epoch} of {config.epochs}; raise it")
    return start


def existing_checkpoint(config: TrainConfig) -> Path | None:
    """The file that --resume means, or None, which is said where a file was named.

    Of a run directory it is the last checkpoint. Raises `CheckpointError` for a folder that is no run directory.
    """
    if config.resume is None:
        return None
    path = Path(config.resume)
    if path.is_dir():
        path = RunDirectory(path).last_checkpoint
        if not path.exists():
            raise CheckpointError(f"--resume: {config.resume} holds no checkpoints/last.pt; name a run directory")
    if path.exists():
        return path
    if not processes.is_first():
        return None
    without = f", and without its --start-epoch {config.start_epoch}" if config.start_epoch else ""
    messages.warn(f"--resume: {path}: no such checkpoint; goes on without it{without}")
    return None


def read_published(path: Path) -> PublishedCheckpoint | None:
    """Read a checkpoint of the published trainer; None when it is one of ours.

    Nothing in the file is run. Of the optimizer's state nothing is taken over: its momentum builds up again in a
    few steps. Raises `CheckpointError` when the file is neither.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"--resume: {path} is damaged or no checkpoint; name another") from error
    if isinstance(content, dict) and "format" in content:
        return None
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(one, Tensor) for one in weights.values()):
        raise CheckpointError(f"--resume: {path} holds no `state_dict` of weights; name a checkpoint")
    epoch = content.get("epoch", 0)
    if not isinstance(epoch, int) or epoch < 0:
        raise CheckpointError(
            f"--resume: {path} says epoch {epoch!r}, which is no number; name another checkpoint"
        )
    return PublishedCheckpoint({_WRAPPER.sub(r"\1", name): one for name, one in weights.items()}, epoch)


def load_into(module: nn.Module, weights: dict[str, Tensor], source: str | Path | None) -> None:
    """Load weights of exactly this network. Raises `CheckpointError` that names the checkpoint `source`."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"--resume: {source} holds weights of another network or other classes; check --model and the data"
        ) from error


def _refuse_other_model(config: TrainConfig, saved: WeightsFacts, path: Path) -> None:
    """Before anything of the other run is taken over. Raises `CheckpointError`."""
    for name in ("model",) if config.encoder is None else ("encoder", "hidden"):
        wanted = getattr(config, name)
        had = saved["config"].get(name, wanted)
        if had != wanted:
            raise CheckpointError(
                f"--resume: {path} was trained with --{name} {had}; say --{name} {had}, or leave --resume out to "
                f"train with --{name} {wanted} from the start"
            )


def _take_over(other: RunDirectory, checkpoint: Path, run: RunDirectory, num_epochs: int) -> None:
    state: RunState = torch.load(checkpoint, map_location="cpu", weights_only=True)
    done = state.get("epoch", 0)
    if (done, state.get("step", 0)) > (num_epochs, 0):
        raise ConfigError(
            f"--epochs {num_epochs}: {checkpoint} has {done} epochs behind it, and nothing is taken back; raise "
            "--epochs, or leave --resume out to train so many anew"
        )
    for entry in other.log():
        if entry["epoch"] < state.get("epoch", 0):
            run.log_epoch(entry)
            run.take_over_predictions(other, entry["epoch"])
    selected = checkpoint.parent / other.selected_checkpoint.name
    if state.get("epoch", 0) and not selected.exists():
        raise CheckpointError(f"--resume: {selected} is missing, which the rule may still select; copy it too")
    if selected.exists():
        with disk_errors(selected), atomic_write(run.selected_checkpoint) as stream:
            stream.write(selected.read_bytes())
