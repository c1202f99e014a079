"""What Linux has and other systems lack is not needed; Apple's GPUs are tested as far as a processor can."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rawlabel.base import families
from rawlabel.base.signals import run_until_stopped
from rawlabel.errors import ConfigError, Interrupted
from rawlabel.gather.collect.engines.decode_pool import DecodePool
from rawlabel.gather.collect.engines.image_worker import WorkerLimits
from rawlabel.models import device
from rawlabel.models.device import choose_device, choose_precision
from rawlabel.training.loop import Trainer
from rawlabel.training.measuring import statistics
from rawlabel.training.stage import train
from tests.helpers.tiny_training import make_class_folders, tiny

WITHOUT = """
import builtins, pkgutil, sys
import_as_here = builtins.__import__

def import_as_there(name, globals=None, locals=None, fromlist=(), level=0):
    # What the libraries do is their own affair: on Linux, psutil and filelock need both.
    if name in ("fcntl", "resource") and (globals or {}).get("__name__", "").startswith("rawlabel"):
        raise ModuleNotFoundError(name)
    return import_as_here(name, globals, locals, fromlist, level)

builtins.__import__ = import_as_there
import rawlabel
from rawlabel.artifacts.run_directory import RunDirectory
for module in pkgutil.walk_packages(rawlabel.__path__, "rawlabel."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
with RunDirectory(rawlabel.artifacts.run_directory.Path(sys.argv[1])).claimed():
    print("claimed")
"""


@pytest.mark.integration
def test_the_whole_package_is_imported_without_the_modules_that_windows_lacks(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "claimed\n"), done.stderr


@pytest.fixture
def as_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal masks, no signals to threads, no sessions, and no signal handlers of event loops."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    # Python starts it by signal masks where a system has them.
    resource_tracker.ensure_running()
    for owner, name in ((signal, "pthread_sigmask"), (signal, "pthread_kill"), (os, "setsid")):
        monkeypatch.delattr(owner, name)
    for name in ("add_signal_handler", "remove_signal_handler"):
        monkeypatch.setattr(asyncio.SelectorEventLoop, name, refuse)


def test_a_stop_is_heard_without_the_signal_handlers_of_event_loops(as_on_windows: None) -> None:
    is_tidy: list[bool] = []

    async def wait() -> None:
        signal.raise_signal(signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            is_tidy.append(True)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted):
        run_until_stopped(wait())
    assert is_tidy == [True]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.integration
def test_photos_are_decoded_without_signal_masks(as_on_windows: None) -> None:
    async def examine() -> Any:
        async with DecodePool(WorkerLimits(512, 1.0), workers=1, seconds=300) as pool:
            return await pool.examine(b"no image")

    assert asyncio.run(examine()).decoded.reason == "not_an_image"


def test_an_apple_gpu_is_taken_by_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="--device mps: torch finds no Apple GPU here"):
        choose_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("mps") == torch.device("mps")
    assert choose_device("auto") == torch.device("cpu")
    assert choose_precision("auto", torch.device("mps")) == torch.float32
    with pytest.raises(ConfigError, match="--gpu 0: contradicts --device mps"):
        choose_device("mps", 0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="--device mps: takes one process"):
        choose_device("mps")


class NoFloat64(TorchDispatchMode):
    """Refuses tensors of 64-bit floating point, which an Apple GPU has not."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, torch.Tensor) and one.dtype == torch.float64:
                raise TypeError(f"{function}: makes a tensor of 64-bit floating point")
        return made


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("folders")
    make_class_folders(root / "candidate", 10, 1)
    yield root


@pytest.mark.integration
@pytest.mark.parametrize("method", families.names(families.Family.METHOD))
def test_no_step_of_any_method_needs_64_bits(
    method: str, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = device.sums_dtype(torch.device("mps"))
    monkeypatch.setattr(statistics, "sums_dtype", lambda device: sums)
    step, steps = Trainer.train_step, []

    def step_as_there(self: Trainer, batch: Any) -> None:
        self.statistics.loss = self.statistics.loss.to(sums)
        self.statistics.alignment = self.statistics.alignment.to(sums)
        with NoFloat64():
            step(self, batch)
        steps.append(1)

    monkeypatch.setattr(Trainer, "train_step", step_as_there)
    train(tiny(folders, outpath=tmp_path / "run", epochs=1, method=method, test=None))
    assert steps
