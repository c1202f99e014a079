"""The arithmetic of `--precision auto`: a timed trial decides, once a machine and network, encoders too.

Where a processor has bfloat16, a network may still be slower in it than in fp32, by what converts between them. So
both are timed, a few passes of each in turn, and the faster one is kept in a file of the user's: the same command
chooses the same arithmetic on this machine, and so gives the same result.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import platformdirs
import torch
from filelock import FileLock
from torch import nn

from rawlabel.artifacts.run_directory import RunDirectory, processor_name
from rawlabel.base import distributed
from rawlabel.base.files import write_json
from rawlabel.config import TrainConfig
from rawlabel.errors import DiskError
from rawlabel.models.device import choose_precision, synchronize
from rawlabel.models.memory import images_at_once

PassSeconds = Callable[[torch.dtype], float]
"""Makes a pass in an arithmetic; returns its seconds."""
_NAMES = {torch.bfloat16: "bf16", torch.float32: "fp32"}
_PASSES, _ENOUGH_SECONDS = 6, 10.0
"""Passes of each arithmetic, of which the first is not counted; seconds after which two of each will do."""
_LONGEST_WAIT = 300.0
"""Most seconds that a process waits for another one's trial."""
_FEW_IMAGES = 16
"""Most images of a pass on a processor, where a whole batch would take long."""


def settle_precision(
    config: TrainConfig, network: nn.Module, device: torch.device, *, is_training: bool
) -> torch.dtype:
    """What `config` says or, for `auto`, the faster one of what the device has; `network` is left as it is.

    One process decides for all. Where the trial fails, as for want of memory, a GPU takes bf16, a processor fp32.
    """
    has_choice = config.precision == "auto" and choose_precision("auto", device) == torch.bfloat16
    if not has_choice:
        return choose_precision(config.precision, device)
    images = images_at_once(config) if device.type == "cuda" else min(images_at_once(config), _FEW_IMAGES)
    work = {
        "model": config.encoder or config.model,
        "num_planes": config.num_planes, "network_config": config.network_config,
        "image_size": config.image_size, "images": images, "work": "training" if is_training else "measuring",
    }  # fmt: skip

    def passes() -> PassSeconds:
        size = config.image_size
        batch = torch.randn(images, 3, size, size, device=device).to(memory_format=torch.channels_last)
        # Also for measuring: what the passes leave in the network, such as hooks' memories, is the copy's.
        tried = copy.deepcopy(network).train(is_training)
        return lambda dtype: _pass_seconds(tried, batch, dtype, is_training)

    return faster_precision(device, work, passes)


def faster_precision(
    device: torch.device, work: Mapping[str, object], passes: Callable[[], PassSeconds]
) -> torch.dtype:
    """Which of fp32 and bf16 makes a pass of `work` faster on a device that has both, as it was found once.

    `work` is what the time depends on besides the machine, and `passes` prepares the trial: it gives a function
    that makes a pass in an arithmetic and returns its seconds. One process decides for all.
    """
    name = distributed.from_first(lambda: _known_or_tried(device, _key(device, work), passes))
    return choose_precision(name, device)


def precision_of_run(run: RunDirectory, device: torch.device) -> str:
    """What a run was last trained in, as --precision says it; `auto` where unknown or not of the device."""
    noted = run.read().last_start.precision
    name = next((name for dtype, name in _NAMES.items() if str(dtype) == f"torch.{noted}"), None)
    is_there = name == "fp32" or choose_precision("auto", device) == torch.bfloat16
    return name if name is not None and is_there else "auto"


def _known_or_tried(device: torch.device, key: str, passes: Callable[[], PassSeconds]) -> str:
    path = _kept_in()
    known = _known(path, key)
    if known is not None:
        return known
    with _alone(path):
        # Another process may have tried the same meanwhile, and both shall take what it found.
        known = _known(path, key)
        if known is not None:
            return known
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                seconds = _trial(passes(), device)
        except RuntimeError:
            return "bf16" if device.type == "cuda" else "fp32"
        chosen = min(seconds, key=lambda name: seconds[name])
        with suppress(DiskError):
            write_json(path, _read(path) | {key: {"chosen": chosen, "seconds": seconds}})
    return chosen


def _known(path: Path, key: str) -> str | None:
    chosen = _read(path).get(key, {}).get("chosen")
    return str(chosen) if chosen in _NAMES.values() else None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for other processes that have a trial, which would disturb this one, and whose outcome must stay.

    Where nothing can be locked, and after more time than a trial takes, it goes on.
    """
    lock = FileLock(path.with_suffix(".lock"), timeout=_LONGEST_WAIT)
    # A file system without locks, a folder that nobody may write to, another process that hangs.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _trial(pass_seconds: PassSeconds, device: torch.device) -> dict[str, float]:
    """Least seconds of a pass in each arithmetic, tried in turn so that other work on the machine strikes both."""
    times: dict[str, list[float]] = {"fp32": [], "bf16": []}
    started = time.perf_counter()
    for number in range(_PASSES):
        for name, found in times.items():
            found.append(pass_seconds(choose_precision(name, device)))
        if number and time.perf_counter() - started > _ENOUGH_SECONDS:
            break
    return {name: min(found[1:]) for name, found in times.items()}


def _pass_seconds(network: nn.Module, batch: torch.Tensor, precision: torch.dtype, is_training: bool) -> float:
    synchronize(batch.device)
    started = time.perf_counter()
    with nullcontext() if is_training else torch.inference_mode():
        with torch.autocast(batch.device.type, precision, enabled=precision != torch.float32):
            loss = network(batch).float().square().mean()
        if is_training:
            loss.backward()
    synchronize(batch.device)
    return time.perf_counter() - started


def _key(device: torch.device, work: Mapping[str, object]) -> str:
    """All that the times depend on: machine and work."""
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    here = {"machine": machine, "threads": torch.get_num_threads(), "torch": torch.__version__}
    return json.dumps({**here, **work}, sort_keys=True)


def _kept_in() -> Path:
    """The file of this user; `RAWLABEL_CACHE` names another folder."""
    folder = os.environ.get("RAWLABEL_CACHE")
    return (Path(folder) if folder else platformdirs.user_cache_path("rawlabel")) / "precision.json"


def _read(path: Path) -> dict[str, Mapping[str, object]]:
    """What is kept; nothing where the file is not there or damaged, since a trial makes it again."""
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: one for key, one in kept.items() if isinstance(one, dict)} if isinstance(kept, dict) else {}
